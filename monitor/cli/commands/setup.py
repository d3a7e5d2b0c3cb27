"""`init`, `doctor`: make a configuration, and test its connections."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.cli.output import Exit, ask, put, say
from monitor.errors import ConfigError, InputError, WatchkeeperError

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
    """Register the commands of this file."""
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
    no_input: Annotated[bool, typer.Option("--no-input", help="Do not ask; use the defaults.")] = False,
) -> None:
    """Write a configuration from your answers; options skip the questions.

    Example: watchkeeper init watchkeeper.yaml --client acme --model fraud
    """
    from monitor.config.root import load

    if path.exists():
        raise InputError(f"{path} already exists", hint="choose another file; nothing was changed")

    def answer(option: str | None, question: str, default: str) -> str:
        if option is not None or no_input:
            return default if option is None else option
        return ask(question, default)

    keys = [answer(client, "Client (short key)", "acme"), answer(model, "Model (short key)", "fraud")]
    for key in keys:
        if not _KEY.fullmatch(key):
            raise InputError(
                f"{key!r} is not a valid key", hint="use letters, digits, dots, hyphens and underscores"
            )
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
    say(f"written. Next: watchkeeper run --config {path}")


def doctor(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Test every connection of the configuration; for those that fail, print what to do.

    Example: watchkeeper doctor --config watchkeeper.yaml
    """
    from monitor.config.root import check
    from monitor.doctor import examine

    checked = check(config)
    if checked.errors:
        raise ConfigError(list(checked.problems))
    failed = bool(checked.warnings)
    for problem in checked.warnings:
        put(f"✖ configuration: {problem}")
    for finding in examine(checked.config):
        failed |= not finding.is_well
        put(f"{'✔' if finding.is_well else '✖'} {finding.what}: {finding.detail}")
        if not finding.is_well:
            put(f"    {finding.hint}")
    if failed:
        raise typer.Exit(Exit.FAILED)
