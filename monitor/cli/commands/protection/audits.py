"""`audit`: who read and changed what, and whether the log itself was changed."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ClientOption, ConfigOption, JsonOption
from monitor.cli.output import Exit, put, put_json, put_table, say
from monitor.cli.stream_names import seconds_of
from monitor.errors import InputError
from monitor.visible import counted

if TYPE_CHECKING:
    from monitor.store.audit import Checkpoint

audit = typer.Typer(
    help="The audit log: who read which client's data, and who changed what.\n\nExample: watchkeeper audit verify",
    no_args_is_help=True,
    rich_markup_mode=None,
)
LastOption = Annotated[str, typer.Option("--last", help="How far back: 24h, 7d.")]
WhoOption = Annotated[str, typer.Option("--who", help="Only entries whose user or key contains this text.")]
_AT_ONCE = 1000


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.add_typer(audit, name="audit")


@audit.command("list")
def list_entries(
    client: ClientOption = "",
    who: WhoOption = "",
    last: LastOption = "24h",
    most: Annotated[int, typer.Option("--most", min=1, help="Show at most this many entries.")] = 50,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List entries of the audit log, newest first.

    Example: watchkeeper audit list --client acme --last 7d
    """
    from msgspec import to_builtins

    from monitor.cli.lists import operation_listing
    from monitor.config.root import load

    entries = operation_listing.entries(load(config), client, who, time.time() - seconds_of(last), most)
    columns = ("at", "who", "address", "action", "client", "target", "outcome", "times")
    rows = [{name: str(value) for name, value in to_builtins(entry).items()} for entry in entries]
    if as_json:
        put_json(rows)
    else:
        put_table(columns, [tuple(row.values()) for row in rows])


@audit.command("export")
def export(
    client: ClientOption = "",
    last: LastOption = "400d",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Print entries with their hashes as JSON lines, newest first, for another system.

    Example: watchkeeper audit export --last 30d > audit.jsonl
    """
    import json

    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.store.audit import AuditEntry, AuditFilter, links

    wanted = AuditFilter(client, start=time.time() - seconds_of(last))
    store, offset = opened(load(config)), 0
    with store.read() as connection:
        while some := links(connection, wanted, offset, _AT_ONCE):
            for link in some:
                content = {name: getattr(link.entry, name) for name in AuditEntry.__slots__}
                put(json.dumps(content | {"sequence": link.sequence, "hash": link.hash.hex()}))
            offset += _AT_ONCE


@audit.command("verify")
def verify(
    checkpoints: Annotated[
        Path | None,
        typer.Option("--checkpoints", help="A copy of the file that `audit.checkpoints` names."),
    ] = None,
    mailed: Annotated[
        list[str] | None, typer.Option("--mailed", help="A checkpoint from a digest: CLIENT:NUMBER:HASH.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Verify the hash chain of each client, and name the first entry that was changed, removed or inserted.

    Example: watchkeeper audit verify
    """
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.maintenance.audit_signing import read, signer_of
    from monitor.store import audit_check

    settings = load(config)
    outside = [_mailed(text) for text in mailed or ()]
    for path in {checkpoints, Path(settings.audit.checkpoints or "")} - {None, Path()}:
        assert path is not None
        if path == checkpoints or path.exists():
            outside += read(path)
    with opened(settings).read() as connection:
        verdicts = audit_check.verify(connection, signer_of(settings.audit), outside)
    if as_json:
        put_json(
            [
                {name: getattr(verdict, name) for name in audit_check.ChainCheck.__slots__}
                for verdict in verdicts
            ]
        )
    for one in () if as_json else verdicts:
        whose = one.client or "(no single client)"
        signed = f", signed until entry {one.signed_until}" if one.signed_until else ", not signed"
        if one.foreign_until > one.signed_until:
            signed += f"; another key than audit.key has signed until entry {one.foreign_until}"
        put(f"{'✖' if one.problem else '✔'} {whose}: {counted(one.entries, 'entry')}{signed}")
        if one.problem:
            put(f"    {one.problem}")
    if not settings.audit.key.get_secret_value():
        say("checkpoints are not signed: set audit.key")
    if any(verdict.problem for verdict in verdicts):
        raise typer.Exit(Exit.FAILED)


@audit.command("report")
def report(
    last: Annotated[str, typer.Option("--last", help="The period to report on: 30d.")] = "30d",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Print the security audit on one page: keys, admins, requests without access, encryption, TLS, retention, the
    audit log, quarantine. Exits with 1 if something needs attention.

    Example: watchkeeper audit report
    """
    from monitor.cli.store_option import opened
    from monitor.config.installation import installation_of
    from monitor.config.root import load
    from monitor.maintenance.audit_signing import signer_of
    from monitor.maintenance.security_report import read, words
    from monitor.maintenance.security_report import report as made

    settings, now = load(config), time.time()
    since = now - seconds_of(last)
    with opened(settings).read() as connection:
        facts = read(connection, installation_of(settings), signer_of(settings.audit), since, now)
    lines = made(facts)
    if as_json:
        put_json([{"subject": one.subject, "ok": one.is_well, "detail": one.detail} for one in lines])
    for line in () if as_json else lines:
        put(words(line))
    if not all(line.is_well for line in lines):
        raise typer.Exit(Exit.FAILED)


def _mailed(text: str) -> "Checkpoint":
    """The checkpoint that a digest shows."""
    from monitor.store.audit import Checkpoint as Found

    client, _, rest = text.rpartition(":")[0].rpartition(":")
    try:
        return Found(client, int(rest), bytes.fromhex(text.rpartition(":")[2]), time.time())
    except ValueError:
        raise InputError(
            f"{text!r} is not a checkpoint", hint="copy CLIENT:NUMBER:HASH from a digest"
        ) from None
