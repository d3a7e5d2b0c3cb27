"""All commands. A module of commands imports the rooms that it needs when it is called."""

import typer

from monitor.cli import (
    baselines,
    demo,
    exports,
    keys,
    lakes,
    loading,
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
    loading,
    past,
    rulefiles,
    rollouts,
    exports,
    keys,
    demo,
)
for commands in COMMANDS:
    commands.register(app)
