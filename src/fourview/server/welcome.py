# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The lines that a start of the service prints, and what the first start makes.

Owns      the key, the credits and the sign-in link of the first start; the lines that can be pasted into a shell;
          opening the link in a browser where a person sits at the screen.
Not here  when the lines are printed (`server.http_server`).
"""

import os
import shlex
import sys
import threading
import time
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fourview.install import ROOT, install_line
from fourview.service.hosted.request import SLUG
from fourview.service.http.auth import OPEN_ACCOUNT, ensure_open_account
from fourview.service.routes.page import BUILT
from fourview.service.store import accounts, keys, ledger, signin
from fourview.service.store.instance import secret
from fourview.sides import SIDES

if TYPE_CHECKING:
    from fourview.service.settings import Settings
    from fourview.service.store.database import Store

EXAMPLE = Path(__file__).parent.parent / "examples" / "robot"
SIGN_IN_S = 24 * 3600.0  # seconds for which the sign-in link is valid


@dataclass(frozen=True)
class Welcome:
    """The lines to print, and on the first start the sign-in link, where the page is built."""

    text: str
    link: str | None = None


def welcome(settings: "Settings", store: "Store") -> Welcome:
    """The lines of this start. Where the database has no key yet, make one: it is printed now and never again."""
    now = time.time()
    if settings.no_auth:
        ensure_open_account(store, now)
        return Welcome(f"no key is needed, and nothing costs credits; try\n\n  {_curl(settings, [])}\n")
    with store.begin() as tx:
        secret(tx, "first start")  # of processes that start at the same time, one passes and the others wait here
        if any(key.name != OPEN_ACCOUNT for key in keys.list_keys(tx)):
            return Welcome(f"a new key: {_command('keys create', settings)}\n")
        owner = accounts.find_account(tx, OPEN_ACCOUNT) or accounts.add_account(tx, OPEN_ACCOUNT, now)
        key, text = keys.add_key(tx, owner.id, "first start", now)
        ledger.grant(tx, owner.id, settings.first_key_credits * ledger.CREDIT, "first start", now)
        has_page = (BUILT / "index.html").is_file()
        link = f"{settings.base_url}/#signin={signin.add_link(tx, key.id, now, SIGN_IN_S)}" if has_page else None
    lines = "\n".join(
        (
            f"this is the first start. Your key, shown only now, with {settings.first_key_credits} credits:\n",
            f"  {text}\n",
            "a model of the example pictures:\n",
            f"  {_curl(settings, ['-H', f'x-api-key: {text}'])}\n",
            *_page_lines(link),
            f"another key: {_command('keys create', settings)}\n",
        )
    )
    return Welcome(lines, link)


def open_page(link: str) -> None:
    """Open the link where a person has a terminal and a screen. Returns at once and never raises.

    A program under `BROWSER` may run as long as the page is open, so the process does not wait for it, even at its end.
    """
    if _has_audience():
        threading.Thread(target=webbrowser.open, args=(link,), name="browser", daemon=True).start()


def _page_lines(link: str | None) -> tuple[str, str]:
    if link:
        return "the page, signed in with this key, once and within a day:\n", f"  {link}\n"
    # A reinstallation builds the page into an installed package.
    is_checkout = (ROOT / "Makefile").is_file()
    line = "make web" if is_checkout else install_line("serve", "--force-reinstall --no-deps")
    return "the page is not built; Node 20 or later builds it:\n", f"  {line}\n"


def _has_audience() -> bool:
    """Whether a person sits at a terminal, with a screen of this machine or a `BROWSER` of their own."""
    if os.environ.get("CI") or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    if os.environ.get("BROWSER"):
        return True
    has_screen = sys.platform in ("darwin", "win32") or bool(os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"})
    return has_screen and "SSH_CONNECTION" not in os.environ


def _curl(settings: "Settings", headers: list[str]) -> str:
    pictures = [f"{side}_image=@{EXAMPLE / side}.png" for side in SIDES]
    fields = [word for picture in pictures for word in ("-F", picture)]
    url = f"{settings.base_url}/v1/{SLUG}"
    return shlex.join(["curl", "-f", "-o", "robot.glb", *headers, *fields, url])


def _command(words: str, settings: "Settings") -> str:
    """The command `fourview WORDS` on this database. A PostgreSQL URL is not shown, because it may hold a password."""
    if settings.database.startswith("sqlite:"):
        return f"fourview {words} --database {shlex.quote(settings.database)}"
    return f"fourview {words}, with the same FOURVIEW_DATABASE_URL"
