"""`verdict`: whether the rollout of a new version may continue, for scripts."""

from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import Exit, put_json, put_line
from monitor.cli.stream_names import StreamArgument, stream_of
from monitor.errors import InputError


def register(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("verdict")(verdict)


def verdict(
    model: StreamArgument,
    canary: Annotated[str, typer.Option("--canary", help="The new version.")],
    stable: Annotated[str, typer.Option("--stable", help="Default: the other version in use.")] = "",
    gate: Annotated[
        str,
        typer.Option(
            "--gate", help="guard: whether the rollout may continue; final: whether it may be promoted."
        ),
    ] = "guard",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Decide whether a new version is worse than the old one. Exit code: 0 pass, 1 fail, 4 inconclusive.

    Example: watchkeeper verdict acme/fraud --canary 8 --gate final
    """
    from monitor.cli.lists import model_listing
    from monitor.config.root import load
    from monitor.rollouts.verdict import Gate, Outcome

    settings = load(config)
    if gate not in set(Gate):
        raise InputError(f"unknown gate {gate!r}", hint="use guard or final")
    decision = model_listing.verdict(settings, stream_of(model), canary, stable, Gate(gate))
    outcome = str(decision.get("verdict"))
    put_json(decision) if as_json else put_line(f"{outcome}: {decision.get('reason')}")
    if outcome == Outcome.FAIL:
        raise typer.Exit(Exit.FAILED)
    if outcome != Outcome.PASS:
        raise typer.Exit(Exit.CANNOT_TELL)
