"""The command line: what may be asked, how it is answered, and exit codes. Nothing is decided here.

Commands import the rooms that they need when they are called: help has to appear at once, and the rooms
bring numpy, Arrow and a web server with them.
"""

import os
import sys

from monitor.cli.comparing import compare_at_once
from monitor.cli.output import Exit, say
from monitor.errors import ConfigError, InputError, WatchkeeperError
from monitor.lean import load_less


def main() -> None:
    """Run a command; own errors, and what the system refuses, become a line on stderr and an exit code."""
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
    except BrokenPipeError:  # whoever reads our lines has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.OK)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"error: {where}{error.strerror or error}")
        sys.exit(Exit.CANNOT_TELL)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


def _run(arguments: list[str]) -> None:
    if compare_at_once(arguments):
        return
    from monitor.cli.commands import app

    app()
