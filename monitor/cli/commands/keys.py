"""`key`: API keys."""

import time
from collections.abc import Sequence
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import put, put_json, put_table, say
from monitor.cli.stream_names import seconds_of
from monitor.clock import iso
from monitor.errors import InputError, NotFoundError

key = typer.Typer(
    help="API keys and page tokens.\n\nExample: watchkeeper key create ingest --client acme",
    no_args_is_help=True,
    rich_markup_mode=None,
)


_COLUMNS = ("id", "kind", "client", "name", "limits", "made", "expires", "last used", "valid")


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.add_typer(key, name="key")


@key.command("create")
def create(
    kind: Annotated[str, typer.Argument(help="The kind of key: ingest, page, metrics, staff or site.")],
    client: Annotated[
        str, typer.Option("--client", help="The client of the key; optional for staff and metrics.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="A name for lists.")] = "",
    expires: Annotated[
        str, typer.Option("--expires", help="Lifetime, such as 90d. Default: until revoked.")
    ] = "",
    role: Annotated[
        str, typer.Option("--role", help="The role of a staff key: viewer, operator or admin (default).")
    ] = "",
    models: Annotated[
        list[str] | None,
        typer.Option("--model", help="A model that an ingest key is limited to; may be repeated."),
    ] = None,
    addresses: Annotated[
        list[str] | None,
        typer.Option("--address", help="An address or network that the key is limited to; may be repeated."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Create a key and print it once; only its hash is stored.

    Example: watchkeeper key create ingest --client acme --expires 365d
    """
    from monitor.cli import daemon_client, store_option
    from monitor.config.root import load
    from monitor.config.units import DAY
    from monitor.config.yaml import suggest
    from monitor.store import api_keys

    now = time.time()
    if kind not in set(api_keys.KeyKind):
        raise InputError(f"'{kind}' is not a kind of key", hint=f"use one of: {', '.join(api_keys.KeyKind)}")
    kind_of_key = api_keys.KeyKind(kind)
    until = now + seconds_of(expires) if expires else None
    if kind_of_key in (api_keys.KeyKind.INGEST, api_keys.KeyKind.PAGE, api_keys.KeyKind.SITE) and not client:
        raise InputError(f"a key of kind {kind} needs a client", hint="add --client NAME")
    bound = api_keys.bounds(kind_of_key, role, models or (), addresses or ())
    settings = load(config)
    if client and settings.clients and client not in settings.clients:
        suggestion = suggest(client, settings.clients)
        raise InputError(
            f"client '{client}' is not configured{suggestion}", hint=f"add it under clients: in {config}"
        )
    if (daemon := daemon_client.running(settings)) is not None:
        days = (until - now) / DAY if until else 0
        limits = {"role": role, "models": models or [], "addresses": addresses or []}
        new = {"kind": kind, "client": client, "name": name, "days": days} | limits
        made = daemon.post("keys", new)
        say(f"key {made['id']}; it is shown only once:")
        put(str(made["key"]))
        return
    with store_option.made(settings).write() as connection:
        before = {one.kind for one in api_keys.keys(connection)}
        new_key, token = api_keys.create(
            connection, kind_of_key, client, now, name=name, expires_at=until, bound=bound
        )
    if not before:
        say("the first key: from now on everything requires a key, on this machine too")
    if api_keys.KeyKind.STAFF not in before | {kind_of_key}:
        say("to open /staff/, create a key for yourself: watchkeeper key create staff")
    say(f"key {new_key.id}; it is shown only once:")
    put(token)


@key.command("list")
def list_keys(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List keys with their last use; the keys themselves cannot be shown again.

    Example: watchkeeper key list --json
    """
    from monitor.cli import daemon_client
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.store import api_keys

    settings = load(config)
    if (daemon := daemon_client.running(settings)) is not None:
        listed = daemon.post("keys/list")["keys"]
        rows = [tuple(_cell(value) for value in one.values()) for one in listed]
        _show(rows, as_json=as_json)
        return
    with opened(settings).read() as connection:
        listed = api_keys.keys(connection)
    now = time.time()
    rows = [
        (
            one.id,
            one.kind.value,
            one.client or "-",
            one.name or "-",
            ", ".join((*([one.role] if one.role else []), *one.models, *one.addresses)) or "-",
            iso(one.created_at),
            iso(one.expires_at) if one.expires_at else "never",
            iso(one.last_used_at) if one.last_used_at else "never",
            "yes" if one.is_valid(now) else "no",
        )
        for one in listed
    ]
    _show(rows, as_json=as_json)


def _show(rows: Sequence[tuple[str, ...]], *, as_json: bool) -> None:
    """Keys as JSON, or as a table without a column for limits: they stand beside the client."""
    if as_json:
        put_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
        return
    place = _COLUMNS.index("limits")
    shown = [
        (*row[:2], row[2] if row[place] == "-" else f"{row[2]}: {row[place]}", row[3], *row[place + 1 :])
        for row in rows
    ]
    put_table((*_COLUMNS[:place], *_COLUMNS[place + 1 :]), shown)


@key.command("revoke")
def revoke(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `key list` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Revoke a key, within seconds, for every process.

    Example: watchkeeper key revoke 1f3a9c00aa42
    """
    from monitor.cli import daemon_client
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.store import api_keys

    settings, now = load(config), time.time()
    if (daemon := daemon_client.running(settings)) is not None:
        daemon.post(f"keys/{daemon_client.part(identity)}/revoke")
    else:
        with opened(settings).write() as connection:
            if not api_keys.revoke(connection, identity, now):
                raise NotFoundError(f"no valid key '{identity}'", hint="see: watchkeeper key list")
    say("key revoked")


def _cell(value: object) -> str:
    """A value of the daemon's list as the command shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "-"
    return "never" if value is None else str(value) or "-"
