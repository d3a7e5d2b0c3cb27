"""`init`, `doctor`: a configuration that works, and whether what it leads to does."""

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.cli.output import Exit, put, say
from monitor.errors import InputError

_TEXT = """\
# Written by `watchkeeper init`. Every other key and its default: watchkeeper export config
store: {{url: "sqlite:///var/watchkeeper.db"}}
web: {{listen: "{listen}"}}
clients:
  {client}:
    name: {name}
    models:
      {model}: {{}}
notify:
  console: true
{pagerduty}"""


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("init")(init)
    app.command("doctor")(doctor)


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("watchkeeper.yaml"),
    client: Annotated[str, typer.Option(prompt="Client (short key)", help="The client's key.")] = "acme",
    model: Annotated[str, typer.Option(prompt="Model (short key)", help="The model's key.")] = "fraud",
    listen: Annotated[str, typer.Option(prompt="Listen on", help="Host and port.")] = "127.0.0.1:8080",
    key_file: Annotated[
        str,
        typer.Option(
            "--pagerduty-key-file",
            prompt="File with PagerDuty's integration key (empty: none)",
            help="Its path.",
        ),
    ] = "",
) -> None:
    """Write a configuration that works, by asking; options answer beforehand.

    Example: watchkeeper init watchkeeper.yaml --client acme --model fraud
    """
    from monitor.config import load

    if path.exists():
        raise InputError(f"{path} exists already", hint="name another file; nothing was changed")
    pager = f'  pagerduty: {{routing_key: "${{file:{key_file}}}"}}\n' if key_file else ""
    name = client.replace("-", " ").replace("_", " ").title()
    text = _TEXT.format(listen=listen, client=client, name=name, model=model, pagerduty=pager)
    path.write_text(text, encoding="utf-8")
    load(path)
    say(f"written; next: watchkeeper run --config {path}")


def doctor(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Try every connection that the configuration leads to, and say what to do about those that fail.

    Example: watchkeeper doctor --config watchkeeper.yaml
    """
    from monitor.config import load
    from monitor.doctor import examine

    failed = False
    for finding in examine(load(config)):
        failed |= not finding.is_well
        put(f"{'✔' if finding.is_well else '✖'} {finding.what}: {finding.detail}")
        if not finding.is_well:
            put(f"    {finding.hint}")
    if failed:
        raise typer.Exit(Exit.FAILED)
