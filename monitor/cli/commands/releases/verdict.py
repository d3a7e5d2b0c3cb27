"""`verdict`: whether the rollout of a new version may continue, for scripts."""

import time
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import Exit, put, put_json
from monitor.cli.stream_names import StreamArgument, stream_of
from monitor.errors import InputError


def register(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("verdict")(verdict)


def verdict(
    model: StreamArgument,
    canary: Annotated[str, typer.Option("--canary", help="The new version.")],
    stable: Annotated[str, typer.Option("--stable", help="Default: the other version that is in use.")] = "",
    gate: Annotated[
        str, typer.Option("--gate", help="guard: may the rollout continue; final: may it be promoted.")
    ] = "guard",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Decide whether a new version is worse than the old one. Exit code: 0 pass, 1 fail, 4 inconclusive.

    Example: watchkeeper verdict acme/fraud --canary 8 --gate final
    """
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.config.verdict_reading import reading_of
    from monitor.rollouts.evaluate import evaluate
    from monitor.rollouts.verdict import Gate, Outcome
    from monitor.web.api.rollouts import as_json as shape
    from monitor.web.api.rollouts import with_approval

    settings = load(config)
    if gate not in set(Gate):
        raise InputError(f"unknown gate {gate!r}", hint="use guard or final")
    with opened(settings).read() as connection:
        stream, reading = stream_of(model), reading_of(settings)
        compared = evaluate(connection, stream, canary, stable, Gate(gate), reading, time.time())
        decision = with_approval(connection, stream, compared, Gate(gate), settings.release_policy(stream))
    put_json(shape(decision)) if as_json else put(f"{decision.outcome}: {decision.reason}")
    if decision.outcome is Outcome.INCONCLUSIVE:
        raise typer.Exit(Exit.CANNOT_TELL)
    if decision.outcome is Outcome.FAIL:
        raise typer.Exit(Exit.FAILED)
