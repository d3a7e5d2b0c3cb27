"""`run`, `check-config`, `version`: the daemon itself."""

import typer

from monitor import __version__
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import put, put_json, say
from monitor.lean import without_pandas
from monitor.pauses import keep_pauses_short


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("run")(run)
    app.command("check-config")(check_config)
    app.command("version")(version)


def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Start the daemon and stay in the foreground until Ctrl-C or SIGTERM.

    Example: watchkeeper run --config config/minimal.yaml
    """
    without_pandas()
    keep_pauses_short()
    from monitor.app import App
    from monitor.config import load
    from monitor.store.access import Kind

    app = App(load(config))

    def announce() -> None:
        say(f"Watchkeeper {__version__} is ready at {app.url}")
        if app.access.is_open(Kind.INGEST):
            say(
                "Until a key is made, only this machine may send: watchkeeper key create ingest --client NAME"
            )

    app.serve(announce)


def check_config(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Read the configuration and the rules, and say all that is wrong with them, each with its place.

    Example: watchkeeper check-config --config config/full.yaml
    """
    from monitor.app import check
    from monitor.config import load

    for line in check(load(config)):
        put(line)


def version(as_json: JsonOption = False) -> None:
    """Print the version.

    Example: watchkeeper version --json
    """
    put_json({"version": __version__}) if as_json else put(f"watchkeeper {__version__}")
