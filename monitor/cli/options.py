"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", envvar="WATCHKEEPER_CONFIG")
]
ClientOption = Annotated[str, typer.Option("--client", help="Only this client.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
SeparatorOption = Annotated[
    str, typer.Option("--separator", help="Of CSV files: ';', tab, '|'. Found where that is safe.")
]
EncodingOption = Annotated[
    str, typer.Option("--encoding", help="Of CSV files, such as cp1252. Otherwise UTF-8 (or UTF-16).")
]
DEFAULT_CONFIG = Path("config/minimal.yaml")
