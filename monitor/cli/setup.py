"""`init`, `doctor`: a configuration that works, and whether what it leads to does."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.cli.output import Exit, ask, put, say
from monitor.errors import InputError, WatchkeeperError

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_TEXT = """\
# Written by `watchkeeper init`. Every other key and its default: watchkeeper export config
store: {{url: "sqlite:///var/watchkeeper.db"}}
web: {{listen: {listen}}}
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
    client: Annotated[str | None, typer.Option(help="The client's key.")] = None,
    model: Annotated[str | None, typer.Option(help="The model's key.")] = None,
    listen: Annotated[str | None, typer.Option(help="Host and port.")] = None,
    key_file: Annotated[
        str | None, typer.Option("--pagerduty-key-file", help="File with PagerDuty's integration key.")
    ] = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing: take the defaults.")] = False,
) -> None:
    """Write a configuration that works, by asking; options answer beforehand.

    Example: watchkeeper init watchkeeper.yaml --client acme --model fraud
    """
    from monitor.config import load

    if path.exists():
        raise InputError(f"{path} exists already", hint="name another file; nothing was changed")

    def answer(given: str | None, question: str, default: str) -> str:
        if given is not None or no_input:
            return default if given is None else given
        return ask(question, default)

    keys = [answer(client, "Client (short key)", "acme"), answer(model, "Model (short key)", "fraud")]
    for key in keys:
        if not _KEY.fullmatch(key):
            raise InputError(f"{key!r} cannot be a key", hint="letters, digits, dots, hyphens, underscores")
    address = answer(listen, "Listen on", "127.0.0.1:8080")
    file = answer(key_file, "File with PagerDuty's integration key (empty: none)", "")
    pager = f"  pagerduty: {{routing_key: {json.dumps(f'${{file:{file}}}')}}}\n" if file else ""
    name = keys[0].replace("-", " ").replace("_", " ").title()
    text = _TEXT.format(
        listen=json.dumps(address), client=keys[0], name=json.dumps(name), model=keys[1], pagerduty=pager
    )
    path.write_text(text, encoding="utf-8")
    try:
        load(path)
    except WatchkeeperError:
        path.unlink()
        raise
    put(str(path))
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
