"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from monitor.config.location import CONFIG_VARIABLE, find

DEFAULT_CONFIG = Path("watchkeeper.yaml")


def _located(context: typer.Context, parameter: typer.CallbackParam, value: Path) -> Path:
    """The named file, or the first one that exists."""
    source = context.get_parameter_source(parameter.name or "")
    if source is not None and source.name == "DEFAULT" and not context.resilient_parsing:
        return find()
    return value


ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        help="The configuration file. Default: watchkeeper.yaml in the current folder or above it, "
        "a demonstration in var/demo, ~/.config/watchkeeper, /etc/watchkeeper.",
        envvar=CONFIG_VARIABLE,
        show_default=False,
        callback=_located,
    ),
]
ClientOption = Annotated[str, typer.Option("--client", help="Only this client.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
SeparatorOption = Annotated[
    str, typer.Option("--separator", help="Separator of CSV files: ';', tab or '|'. Detected by default.")
]
EncodingOption = Annotated[
    str, typer.Option("--encoding", help="Encoding of CSV files, such as cp1252. Default: UTF-8 or UTF-16.")
]
DatesOption = Annotated[
    str, typer.Option("--dates", help="day-first or month-first, for ambiguous dates such as 10/11/2026.")
]
