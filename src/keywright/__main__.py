"""`python -m keywright`: the command line."""

from keywright.cli import main

main()
