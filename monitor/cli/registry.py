"""All commands. A module of commands imports the packages that it needs when it is called."""

from typing import Annotated

import typer

from monitor import __version__
from monitor.cli.commands import (
    backtest,
    baselines,
    demo,
    export,
    exporters,
    incidents,
    keys,
    load,
    notify,
    profile,
    rehearse,
    rules,
    service,
    setup,
    status,
)
from monitor.cli.commands.intake import expectations, gauges, quarantine, sources
from monitor.cli.commands.language_models import canaries, prompts, signals
from monitor.cli.commands.protection import audits, backups, encrypting, erase
from monitor.cli.commands.releases import (
    anonymise,
    approval,
    gate,
    loadtest,
    parity,
    release,
    rollback,
    rollback_practice,
    rollout,
    verdict,
)
from monitor.cli.commands.sites import relay, site
from monitor.cli.output import put


def _print_version(*, is_asked: bool) -> None:
    if is_asked:
        put(f"watchkeeper {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="watchkeeper",
    help="Monitor machine-learning models in production.\n\n"
    "Example: watchkeeper run --config watchkeeper.yaml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", help="Print the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    pass


service.register(app)
COMMANDS = (
    setup,
    status,
    incidents,
    quarantine,
    rehearse,
    expectations,
    notify,
    baselines,
    profile,
    load,
    loadtest,
    sources,
    gauges,
    signals,
    prompts,
    canaries,
    backtest,
    rules,
    gate,
    verdict,
    release,
    rollout,
    rollback,
    rollback_practice,
    approval,
    parity,
    anonymise,
    export,
    exporters,
    keys,
    audits,
    backups,
    encrypting,
    erase,
    site,
    relay,
    demo,
)
for commands in COMMANDS:
    commands.register(app)
