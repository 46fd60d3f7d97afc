# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What a process of the service is made of, from its settings: log, store, files, context, workers.

Owns      making these and closing them, each as a context manager.
Not here  the application (`service.app`), the order of starting and ending (`server.lifecycle`, `server.http_server`).

`keys` and `credits` need the store alone, so the other modules are imported only in the functions that use them.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from fourview.service.settings import Settings
from fourview.service.store.database import Store, open_store

if TYPE_CHECKING:
    from fourview.server.workers import WorkerPool
    from fourview.service.context import AppContext
    from fourview.service.health.probes import Probes
    from fourview.service.runner import Runner


def prepare_process(settings: Settings) -> None:
    """Configure the log, and let the process open as many files as the system allows."""
    from fourview.server import file_limit, logs

    logs.configure(settings)
    file_limit.raise_limit()


@contextmanager
def opened_store(database: str) -> Iterator[Store]:
    """The store of a database URL."""
    with closing(open_store(database)) as store:
        yield store


@contextmanager
def opened_context(settings: Settings) -> Iterator["AppContext"]:
    """What the routes of the HTTP process reach."""
    from fourview.service.context import AppContext
    from fourview.service.files import open_files
    from fourview.service.outbound.fetch import PinnedTransport
    from fourview.service.quick_lane import QuickLane
    from fourview.service.store.instance import secret
    from fourview.service.wakeups import Wakeups

    with opened_store(settings.database) as store:
        with store.begin() as tx:
            own_secret = secret(tx, "signing")
        with closing(QuickLane(lambda: _quick_lane_runner(settings), settings.scratch)) as quick_lane:
            yield AppContext(
                settings=settings,
                store=store,
                files=open_files(settings),
                wakeups=Wakeups(),
                quick_lane=quick_lane,
                transport=PinnedTransport(settings.outbound_rules),
                secrets=tuple(word.get_secret_value().encode() for word in settings.signing_secrets) or (own_secret,),
            )


@contextmanager
def running_pool(context: "AppContext", is_working: bool) -> Iterator["WorkerPool"]:
    """The workers of the HTTP process, started; what still runs at the end is ended at once and put back."""
    from fourview.server.workers import WorkerPool

    pool = WorkerPool(context.settings, context.store, context.files, context.wakeups, context.supervisor, is_working)
    pool.start()
    try:
        yield pool
    finally:
        pool.stop(0)
        pool.join()


@contextmanager
def opened_pool(settings: Settings) -> Iterator["WorkerPool"]:
    """The workers of a process without HTTP, not started."""
    from fourview.server.workers import WorkerPool
    from fourview.service.files import open_files
    from fourview.service.supervisor import Supervisor
    from fourview.service.wakeups import Wakeups

    with opened_store(settings.database) as store:
        yield WorkerPool(settings, store, open_files(settings), Wakeups(), Supervisor(), is_working=True)


def probes_of(settings: Settings, pool: "WorkerPool") -> "Probes":
    """Health and metrics of a process without HTTP, whose workers are those of `pool`."""
    from fourview.service.health.metrics import Metrics
    from fourview.service.health.probes import Probes

    return Probes(settings, pool.store, pool.files, Metrics(time.time()), pool.supervisor, pool.name)


def _quick_lane_runner(settings: Settings) -> "Runner":
    """The runner of small work: on the processor, or the test double where every device is one."""
    from fourview.runners.local import LocalRunner

    doubles = [device for device in settings.devices if device.startswith("instant")]
    return LocalRunner(doubles[0] if len(doubles) == len(settings.devices) else "cpu")
