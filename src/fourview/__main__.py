"""`python -m fourview` is the command `fourview`."""

from fourview.cli import main

main()
