"""The command line: what may be asked, how it is answered, and exit codes. Nothing is decided here.

Commands import the rooms that they need when they are called: help has to appear at once, and the rooms
bring numpy, Arrow and a web server with them.
"""

import sys

from monitor.cli.comparing import compare_at_once
from monitor.cli.output import Exit, say
from monitor.errors import ConfigError, InputError, WatchkeeperError
from monitor.lean import load_less


def main() -> None:
    """Run a command; own errors become one line on stderr and an exit code."""
    load_less()
    try:
        _run(sys.argv[1:])
    except ConfigError as error:
        count = len(error.problems)
        say(f"{error}\n{count} {'error' if count == 1 else 'errors'}")
        sys.exit(Exit.INVALID_CONFIG)
    except WatchkeeperError as error:
        say(f"error: {error.message}" + (f"\n{error.hint}" if error.hint else ""))
        sys.exit(Exit.USAGE if isinstance(error, InputError) else Exit.CANNOT_TELL)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


def _run(arguments: list[str]) -> None:
    if compare_at_once(arguments):
        return
    from monitor.cli.commands import app

    app()
