"""`python -m monitor`: the same as the command `watchkeeper`."""

from monitor.cli import main

main()
