# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Many at once, in threads."""

import threading


def in_a_crowd(tasks):
    """All at once, each in a thread; a thread that raises makes the test fail."""
    barrier, broken = threading.Barrier(len(tasks)), []

    def run(task):
        barrier.wait()
        try:
            task()
        except Exception as error:
            broken.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]
