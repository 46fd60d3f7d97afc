# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The command line: it parses arguments, calls the package, prints the result.

`doctor` must work on a broken installation, so only the standard library is imported before it runs.
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
