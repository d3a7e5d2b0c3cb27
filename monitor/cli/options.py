"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", envvar="WATCHKEEPER_CONFIG")
]
ClientOption = Annotated[str, typer.Option("--client", help="Only this client.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
DEFAULT_CONFIG = Path("config/minimal.yaml")
