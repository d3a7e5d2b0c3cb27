"""`signals`: what is measured of the calls of language models."""

from typing import Any

import typer

from monitor.cli.options import JsonOption
from monitor.cli.output import put, put_json


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command("signals")(signals)


def signals(as_json: JsonOption = False) -> None:
    """List the signals of language models: what they need, in which languages and with which error they were measured.

    Example: watchkeeper signals --json
    """
    from monitor.signals.registry import SIGNALS

    shown = [_described(one) for one in SIGNALS]
    if as_json:
        put_json(shown)
        return
    for one in shown:
        put(f"{one['name']}  ({one['unit']}{', a leak' if one['is_leak'] else ''})")
        put(f"  {one['help']}")
        put(f"  needs {', '.join(one['needs']) or 'any text'}; {_cost(one['microseconds'])}")
        put(f"  {_languages(one['languages'])}")
        for error in one["errors"]:
            put(f"  {error}")
        put("")


def _described(signal: Any) -> dict[str, Any]:
    from monitor.signals.measured import errors_of, microseconds_of

    return {
        "name": signal.name,
        "unit": signal.unit.value,
        "is_leak": signal.is_leak,
        "needs": list(signal.needs),
        "languages": list(signal.languages),
        "help": signal.help,
        "microseconds": microseconds_of(signal.name),
        "errors": [one.sentence for one in errors_of(signal.name)],
    }


def _cost(microseconds: float | None) -> str:
    return "cost not measured" if microseconds is None else f"{microseconds:.1f} µs a call"


def _languages(languages: list[str]) -> str:
    return f"measured in {', '.join(languages)}" if languages else "the same in every language"
