"""The command line: what may be asked, how it is answered, and exit codes. Nothing is decided here.

Commands import the rooms that they need when they are called: help has to appear at once, and the rooms
bring numpy, Arrow and a web server with them.
"""

import sys

import typer

from monitor.cli import (
    baselines,
    demo,
    exports,
    keys,
    lakes,
    past,
    quarantine,
    rehearsing,
    rollouts,
    rulefiles,
    service,
    setup,
    telling,
    watching,
)
from monitor.cli.output import Exit, say
from monitor.errors import ConfigError, InputError, WatchkeeperError
from monitor.lean import load_less

app = typer.Typer(
    name="watchkeeper",
    help="Keep watch over machine-learning models in production.\n\n"
    "Example: watchkeeper run --config config/minimal.yaml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
service.register(app)
COMMANDS = (
    setup,
    watching,
    quarantine,
    rehearsing,
    telling,
    baselines,
    lakes,
    past,
    rulefiles,
    rollouts,
    exports,
    keys,
    demo,
)
for commands in COMMANDS:
    commands.register(app)


def main() -> None:
    """Run a command; own errors become one line on stderr and an exit code."""
    load_less()
    try:
        app()
    except ConfigError as error:
        count = len(error.problems)
        say(f"{error}\n{count} {'error' if count == 1 else 'errors'}")
        sys.exit(Exit.INVALID_CONFIG)
    except WatchkeeperError as error:
        say(f"error: {error.message}" + (f"\n{error.hint}" if error.hint else ""))
        sys.exit(Exit.USAGE if isinstance(error, InputError) else Exit.CANNOT_TELL)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
