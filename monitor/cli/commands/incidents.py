"""`incident`: incidents of a client's models, and the updates that the delivery lead writes for the client."""

import getpass
import time
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import put, put_json, put_line, say
from monitor.errors import NotFoundError

incident = typer.Typer(
    help="Incidents as clients read them, and updates on them.\n\nExample: watchkeeper incident list acme",
    no_args_is_help=True,
    rich_markup_mode=None,
)
AuthorOption = Annotated[str, typer.Option("--author", help="Your name.")]
_ADDRESS = "command line"


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.add_typer(incident, name="incident")


@incident.command("list")
def list_incidents(
    client: Annotated[str, typer.Argument(help="The client's key in the configuration.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List a client's incidents of the last 30 days, newest first, with their ids and updates.

    Example: watchkeeper incident list acme
    """
    from monitor.cli.lists import client_listing as lists
    from monitor.config.root import load
    from monitor.health import wording
    from monitor.health.model_state import naming

    listed = lists.incidents(load(config), client)
    if as_json:
        from msgspec import to_builtins

        put_json([to_builtins(one) for one in listed])
        return
    for one in listed:
        length = wording.span(one.seconds)
        state = f"ongoing for {length}" if one.ended is None else f"ended after {length}"
        stream = f"{one.client}/{one.model}/{one.environment}"
        put_line(f"{one.id}  {stream}  {one.rule}  {one.started}, {state}")
        put_line(f"    {naming(one.sentence, one.about)}")
        for note in one.notes:
            put_line(f"    {note.id}  {note.at}  {note.author}: {note.text}")
    if not listed:
        say("no incidents in the last 30 days")


@incident.command("note")
def note(
    name: Annotated[str, typer.Argument(metavar="INCIDENT", help="client/model/rule, or an id of `list`.")],
    text: Annotated[str, typer.Argument(help="The update, up to 1,000 characters. The client reads it.")],
    author: AuthorOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write an update on an incident: it appears on the client's page, in the digest and in the service report.

    Example: watchkeeper incident note acme/fraud/HighErrorRate "The supplier has confirmed the outage."
    """
    from monitor.cli import daemon_client
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.health import client_state, notes
    from monitor.health.settings import ClientSettings
    from monitor.store import streams

    settings, now = load(config), time.time()
    if (daemon := daemon_client.running(settings)) is not None:
        made = daemon.post("incidents/notes", {"incident": name, "text": text})
        say(
            f"the client reads this on {made['incident']}; to withdraw it: watchkeeper incident withdraw {made['id']}"
        )
        put(str(made["id"]))
        return
    with opened(settings).write() as connection:
        all_clients = {*settings.clients, *(one.client for one in streams.streams(connection))}
        client = name.partition("/")[0]
        searched = [client] if client in all_clients else sorted(all_clients)
        candidates = [
            one
            for key in searched
            for one in client_state.incidents(
                connection, key, settings.clients.get(key, ClientSettings()), now
            )
        ]
        chosen = notes.named(candidates, name)
        who = author or getpass.getuser()
        written = notes.write(connection, chosen, text, author=who, address=_ADDRESS, now=now)
    say(f"the client reads this on {chosen.id}; to withdraw it: watchkeeper incident withdraw {written.id}")
    put(written.id)


@incident.command("withdraw")
def withdraw(
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="Of the update, as `incident list` shows it.")
    ],
    author: AuthorOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Withdraw an update: clients no longer see it.

    Example: watchkeeper incident withdraw 3f9a01bc77de
    """
    from monitor.cli import daemon_client
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.health import notes
    from monitor.store import incident_notes

    settings = load(config)
    if (daemon := daemon_client.running(settings)) is not None:
        daemon.post(f"incidents/notes/{daemon_client.part(identity)}/withdraw")
        say("update withdrawn")
        return
    with opened(settings).write() as connection:
        client = incident_notes.client_of(connection, identity)
        if client is None:
            raise NotFoundError(f"no update {identity!r}", hint="watchkeeper incident list CLIENT")
        who = author or getpass.getuser()
        notes.withdraw(connection, client, identity, author=who, address=_ADDRESS, now=time.time())
    say("update withdrawn")
