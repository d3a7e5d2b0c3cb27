"""`canary`: tokens that must never appear in an answer."""

import time
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ClientOption, ConfigOption, JsonOption
from monitor.cli.output import put, put_json, put_table, say
from monitor.errors import InputError, NotFoundError

canary = typer.Typer(
    help="Canaries: tokens that must never appear in an answer.\n\nExample: watchkeeper canary create --client acme",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.add_typer(canary, name="canary")


@canary.command("create")
def create(
    client: Annotated[str, typer.Option("--client", help="The client whose models must not reveal it.")],
    model: Annotated[str, typer.Option("--model", help="Only this model. Default: all of the client.")] = "",
    name: Annotated[str, typer.Option("--name", help="A name for lists, such as its location.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Create a canary and print it once; only its hash is stored. Put it into a system prompt or a secret document.

    Example: watchkeeper canary create --client acme --model assistant --name "system prompt"
    """
    from monitor.cli import daemon_client, store_option
    from monitor.config.root import load
    from monitor.signals.injection import canaries
    from monitor.store import registered_texts
    from monitor.text_limits import NAME, flaw_of_name

    for subject, text in (("client", client), ("model", model), ("name", name)):
        if (text or subject == "client") and (flaw := flaw_of_name(text)):
            raise InputError(
                f"the {subject} of a canary {flaw}", hint=f"use 1 to {NAME} visible characters and no slash"
            )
    token = canaries.create()
    made = registered_texts.Canary(client, model, name, canaries.digest(token), time.time())
    settings = load(config)
    if (daemon := daemon_client.running(settings)) is not None:
        new = {"client": client, "model": model, "name": name, "digest": made.digest.hex()}
        daemon.post("canaries", new)  # the token itself stays here
    else:
        with store_option.made(settings).write() as connection:
            registered_texts.add_canary(connection, made)
    say(f"canary {made.id}; it is shown only once:")
    put(token)


@canary.command("list")
def list_canaries(
    client: ClientOption = "", config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """List canaries; the tokens themselves cannot be shown again.

    Example: watchkeeper canary list --client acme
    """
    from monitor.cli.lists import model_listing
    from monitor.config.root import load

    columns = ("id", "client", "model", "name", "created")
    rows = [
        (one.id, one.client, one.model or "all", one.name or "-", one.created)
        for one in model_listing.canaries(load(config), client)
    ]
    if as_json:
        put_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        put_table(columns, rows)


@canary.command("remove")
def remove(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `canary list` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Remove a canary: it is no longer detected.

    Example: watchkeeper canary remove 1f3a9c00aa42
    """
    from monitor.cli import daemon_client
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.store import registered_texts

    settings = load(config)
    if (daemon := daemon_client.running(settings)) is not None:
        daemon.post(f"canaries/{daemon_client.part(identity)}/remove")
        say("canary removed")
        return
    with opened(settings).write() as connection:
        known = [one for one in registered_texts.load(connection).canaries if one.id == identity]
        if not registered_texts.remove_canaries(connection, known):
            raise NotFoundError(f"no canary '{identity}'", hint="see: watchkeeper canary list")
    say("canary removed")
