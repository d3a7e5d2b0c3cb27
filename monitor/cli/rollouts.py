"""`verdict`: whether a new version may go on, for a script or a job that steers its traffic."""

import time
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import Exit, put, put_json
from monitor.cli.streams import StreamArgument, stream_of
from monitor.errors import InputError


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command("verdict")(verdict)


def verdict(
    model: StreamArgument,
    canary: Annotated[str, typer.Option("--canary", help="The version that is tried.")],
    stable: Annotated[
        str, typer.Option("--stable", help="Default: the version that answers beside it.")
    ] = "",
    gate: Annotated[str, typer.Option("--gate", help="guard: go on for now; final: promote.")] = "guard",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say whether a new version fails more often than the one beside it: 0 pass, 1 fail, 4 it cannot be told yet.

    Example: watchkeeper verdict acme/fraud --canary 8 --gate final
    """
    from monitor.cli.stores import opened
    from monitor.config import load
    from monitor.rollouts import reading
    from monitor.rollouts.verdict import Gate, Outcome
    from monitor.web.rollouts import as_json as shape

    settings = load(config)
    if gate not in set(Gate):
        raise InputError(f"no gate {gate!r}", hint="use guard or final")
    base = int(settings.predictions.base_window)
    with opened(settings).read() as connection:
        found = reading.verdict(connection, stream_of(model), canary, stable, Gate(gate), base, time.time())
    put_json(shape(found)) if as_json else put(f"{found.outcome}: {found.reason}")
    if found.outcome is Outcome.INCONCLUSIVE:
        raise typer.Exit(Exit.CANNOT_TELL)
    if found.outcome is Outcome.FAIL:
        raise typer.Exit(Exit.FAILED)
