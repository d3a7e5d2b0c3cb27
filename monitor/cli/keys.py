"""`key`: who may send, and who may look."""

import time
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import put, put_json, put_table, say
from monitor.cli.streams import seconds_of
from monitor.clock import iso
from monitor.errors import InputError, NotFoundError

key = typer.Typer(
    help="API keys and page tokens.\n\nExample: watchkeeper key create ingest --client acme",
    no_args_is_help=True,
    rich_markup_mode=None,
)


_CLOSES = {
    "ingest": "from now on records are taken with a key only, from this machine too",
    "page": "from now on pages open with a key only, on this machine too",
    "metrics": "from now on /metrics opens with a key only, on this machine too",
    "staff": "from now on staff sign in with a key (or the provider), on this machine too",
}


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(key, name="key")


@key.command("create")
def create(
    kind: Annotated[str, typer.Argument(help="What it is for: ingest, page, metrics or staff.")],
    client: Annotated[
        str, typer.Option("--client", help="The client that it is bound to; staff and metrics may have none.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="What it is called in lists.")] = "",
    expires: Annotated[
        str, typer.Option("--expires", help="Valid for so long: 90d. Default: until revoked.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make a key and print it once; only its hash is kept.

    Example: watchkeeper key create ingest --client acme --expires 365d
    """
    from monitor.cli import stores
    from monitor.config import load
    from monitor.store import access
    from monitor.yamlfile import suggest

    now = time.time()
    if kind not in set(access.Kind):
        raise InputError(f"'{kind}' is no kind of key", hint=f"kinds are {', '.join(access.Kind)}")
    wanted = access.Kind(kind)
    until = now + seconds_of(expires) if expires else None
    if wanted in (access.Kind.INGEST, access.Kind.PAGE) and not client:
        raise InputError(f"a key for {kind} is bound to a client", hint="name it with --client")
    settings = load(config)
    if client and settings.clients and client not in settings.clients:
        known = suggest(client, settings.clients)
        raise InputError(
            f"client '{client}' is not configured{known}", hint=f"add it under clients: in {config}"
        )
    store = stores.made(settings)
    with store.write() as connection:
        before = {one.kind for one in access.keys(connection)}
        made, token = access.create(connection, wanted, client, now, name=name, expires_at=until)
    if wanted not in before:
        say(f"the first key for {wanted}: {_CLOSES[wanted]}")
    if access.Kind.STAFF not in before | {wanted} and wanted is access.Kind.PAGE:
        say("nobody can open /staff/ now; make yourself a key with: watchkeeper key create staff")
    say(f"key {made.id}; this is the only time it is shown:")
    put(token)


@key.command("list")
def list_keys(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List keys with their last use; the keys themselves cannot be shown again.

    Example: watchkeeper key list --json
    """
    from monitor.cli.stores import opened
    from monitor.config import load
    from monitor.store import access

    with opened(load(config)).read() as connection:
        found = access.keys(connection)
    now = time.time()
    columns = ("id", "kind", "client", "name", "made", "expires", "last used", "valid")
    rows = [
        (
            one.id,
            one.kind.value,
            one.client or "-",
            one.name or "-",
            iso(one.created_at),
            iso(one.expires_at) if one.expires_at else "never",
            iso(one.last_used_at) if one.last_used_at else "never",
            "yes" if one.is_valid(now) else "no",
        )
        for one in found
    ]
    if as_json:
        put_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        put_table(columns, rows)


@key.command("revoke")
def revoke(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `key list` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make a key worthless, within seconds, for every process.

    Example: watchkeeper key revoke 1f3a9c00aa42
    """
    from monitor.cli.stores import opened
    from monitor.config import load
    from monitor.store import access

    with opened(load(config)).write() as connection:
        if not access.revoke(connection, identity, time.time()):
            raise NotFoundError(f"no valid key '{identity}'", hint="see: watchkeeper key list")
    say("revoked")
