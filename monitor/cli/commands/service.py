"""`run`, `check-config`, `version`: the daemon itself."""

import typer

from monitor import __version__
from monitor.cli import daemon
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import Exit, put, put_json, say
from monitor.errors import ConfigError
from monitor.visible import counted


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command("run")(run)
    app.command("check-config")(check_config)
    app.command("version")(version)


def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Start the daemon and stay in the foreground until Ctrl-C or SIGTERM.

    Example: watchkeeper run --config watchkeeper.yaml
    """
    daemon.run(config)


def check_config(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check the configuration and the rules; print every error with its place.

    Example: watchkeeper check-config --config config/full.yaml
    """
    from monitor.config.root import check
    from monitor.config.rule_files import rules_of, warnings_of
    from monitor.config.summary import summary

    checked = check(config)
    problems = list(checked.problems)
    try:
        problems += warnings_of(rules_of(checked.config), checked.config)
    except ConfigError as error:
        problems += error.problems
    for problem in problems:
        say(str(problem))
    errors = sum(problem.severity == "error" for problem in problems)
    if problems:
        say(
            ", ".join(
                counted(n, word) for n, word in ((errors, "error"), (len(problems) - errors, "warning")) if n
            )
        )
    if errors:
        raise typer.Exit(Exit.INVALID_CONFIG)
    for line in summary(checked.config):
        put(line)
    if problems:
        raise typer.Exit(Exit.FAILED)


def version(as_json: JsonOption = False) -> None:
    """Print the version.

    Example: watchkeeper version --json
    """
    put_json({"version": __version__}) if as_json else put(f"watchkeeper {__version__}")
