"""`python -m foresight`: the same as the command `foresight`."""

from foresight.cli import main

main()
