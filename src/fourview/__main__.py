# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m fourview` is the command `fourview`."""

from fourview.cli import main

main()
