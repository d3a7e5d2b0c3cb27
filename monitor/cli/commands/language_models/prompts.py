"""`prompts`: system prompts whose leak is to be noticed."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ClientOption, ConfigOption, JsonOption
from monitor.cli.output import put_json, put_table, say
from monitor.errors import InputError, NotFoundError
from monitor.visible import counted

_LONGEST = 4_000_000
"""Bytes of a file that is taken for a prompt."""

prompts = typer.Typer(
    help="System prompts, stored as hashes.\n\nExample: watchkeeper prompts list",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.add_typer(prompts, name="prompts")


@prompts.command("register")
def register_prompt(
    stream: Annotated[str, typer.Argument(metavar="CLIENT/MODEL", help="The model of the prompt.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The prompt as text; - for standard input.")],
    version: Annotated[str, typer.Option("--version", help="The version that uses the prompt.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Register the system prompt of a version, so that answers that repeat it are found. Only hashes are stored.

    Example: watchkeeper prompts register acme/fraud prompt.txt --version 7
    """
    from monitor.cli import daemon_client, store_option
    from monitor.config.root import load
    from monitor.signals.injection.system_prompts import SHORTEST_PASSAGE, shingles
    from monitor.store import registered_texts
    from monitor.text_limits import LABEL, flaw_of_text

    client, model = _named(stream)
    if not 0 < len(version) <= LABEL or flaw_of_text(version):
        raise InputError("the version cannot be stored", hint=f"use 1 to {LABEL} characters")
    text = _read(file)
    hashes = shingles(text)
    if not hashes:
        raise InputError(
            f"{file}: the prompt has fewer than {SHORTEST_PASSAGE} words",
            hint="add a canary to it instead: watchkeeper canary create",
        )
    prompt = registered_texts.SystemPrompt(client, model, version, hashes, len(text.split()), time.time())
    settings = load(config)
    if (daemon := daemon_client.running(settings)) is not None:
        new = {"client": client, "model": model, "version": version, "words": prompt.words}
        daemon.post("prompts", new | {"hashes": sorted(hashes)})
    else:
        with store_option.made(settings).write() as connection:
            registered_texts.register_prompt(connection, prompt)
    say(f"registered {prompt.words} words as {counted(len(hashes), 'hash')}")


@prompts.command("list")
def list_prompts(
    client: ClientOption = "", config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """List the registered system prompts; the texts themselves are not stored.

    Example: watchkeeper prompts list --json
    """
    from msgspec import to_builtins

    from monitor.cli.lists import model_listing
    from monitor.config.root import load

    listed = model_listing.prompts(load(config), client)
    if as_json:
        put_json([to_builtins(one) for one in listed])
        return
    columns = ("client", "model", "version", "words", "hashes", "registered")
    put_table(columns, [tuple(str(getattr(one, name)) for name in columns) for one in listed])


@prompts.command("remove")
def remove(
    stream: Annotated[str, typer.Argument(metavar="CLIENT/MODEL", help="The model of the prompt.")],
    version: Annotated[str, typer.Option("--version", help="The version whose prompt is forgotten.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Forget the system prompt of a version.

    Example: watchkeeper prompts remove acme/fraud --version 6
    """
    from monitor.cli import daemon_client
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.store import registered_texts

    (client, model), settings = _named(stream), load(config)
    if (daemon := daemon_client.running(settings)) is not None:
        daemon.post("prompts/remove", {"client": client, "model": model, "version": version})
        say("prompt removed")
        return
    with opened(settings).write() as connection:
        if not registered_texts.remove_prompt(connection, client, model, version):
            raise NotFoundError(
                f"no prompt of version '{version}' of {stream}", hint="see: watchkeeper prompts list"
            )
    say("prompt removed")


def _named(stream: str) -> tuple[str, str]:
    from monitor.text_limits import NAME, flaw_of_name

    client, _, model = stream.partition("/")
    for subject, text in (("client", client), ("model", model)):
        if flaw := flaw_of_name(text):
            raise InputError(
                f"'{stream}': the {subject} {flaw}",
                hint=f"use CLIENT/MODEL, each of 1 to {NAME} visible characters",
            )
    return client, model


def _read(file: Path) -> str:
    try:
        raw = sys.stdin.buffer.read(_LONGEST + 1) if str(file) == "-" else file.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", hint="name a text file, or -") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 at byte {error.start}", hint="save it as UTF-8") from error
    if len(raw) > _LONGEST:
        raise InputError(f"{file} has more than {_LONGEST:,} bytes", hint="a prompt has a few pages at most")
    return text
