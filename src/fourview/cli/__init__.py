# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The terminal's door: parse, call, present.

`doctor` must answer on a broken installation, so nothing but the standard library is imported before it is asked for.
"""

import sys


def main() -> None:
    """Entry point of the command `fourview`; exit codes are in CONVENTIONS.md."""
    if sys.argv[1:2] == ["doctor"]:
        from fourview.cli.doctor import run

        sys.exit(run(sys.argv[2:]))
    try:
        from fourview.cli.app import run_app
    except ModuleNotFoundError as error:
        print(
            f"error: the module {error.name!r} is missing; `fourview doctor` prints the line that brings it back",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(run_app())
