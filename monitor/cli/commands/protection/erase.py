"""`erase`: the records of a person, or everything of a client."""

import platform
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.cli.output import Exit, ask, put_json, say
from monitor.errors import InputError
from monitor.visible import counted

if TYPE_CHECKING:
    from monitor.maintenance.erasure import ErasureReceipt


def register(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("erase")(erase)


def erase(
    client: Annotated[str, typer.Option("--client", help="The client whose data is erased.")],
    given: Annotated[
        list[str] | None,
        typer.Option("--id", help="Erase the records with this id. May be repeated; - reads ids from stdin."),
    ] = None,
    segment: Annotated[
        str, typer.Option("--segment", help="Erase the records with this value: NAME=VALUE.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Erase the records with given ids or with a value in a segment or feature, wherever they are stored. Without
    either, erase everything of a client; stop all daemons for that. Prints a receipt.

    Example: watchkeeper erase --client acme --id 8f14e45f
    """
    from monitor.cli.store_option import opened, user
    from monitor.config.root import load
    from monitor.maintenance.erasure import ErasureSubject, erase_client, erase_records
    from monitor.maintenance.erasure_files import erase_files
    from monitor.sites.status import elsewhere
    from monitor.store.db import store_of
    from monitor.store.restore import ensure_only_user, is_only_user

    settings = load(config)
    ids, (name, equals, value) = _ids(given or []), segment.partition("=")
    if segment and (ids or not (name and equals and value)):
        raise InputError("--segment needs NAME=VALUE, without --id", hint="such as --segment customer=4711")
    everything = not ids and not segment
    if everything and not yes and ask(f"Erase everything of {client}? yes or no", "no") != "yes":
        raise typer.Exit(Exit.FAILED)
    store, now = opened(settings), time.time()
    store.close()  # whose version is known now; it is opened again where it is used
    if everything:
        ensure_only_user(store_of(settings.store))
    is_alone = everything or is_only_user(store_of(settings.store))
    own = [name for name, source in settings.sources.items() if source.client == client]
    others = [name for name, source in settings.sources.items() if source.client not in ("", client)]
    if everything:
        receipt = erase_client(store, client, now, user(), platform.node(), own)
        files = erase_files(settings.reports.folder, settings.notify.file, client)
    else:
        subject = ErasureSubject(frozenset(ids), name, value)
        key = settings.audit.key.get_secret_value()
        receipt = erase_records(
            store, client, subject, now, user(), platform.node(), key, is_alone=is_alone, others=others
        )
        files = erase_files(settings.reports.folder, None, client)
    content = asdict(receipt) | {"files": files}
    content["elsewhere"] = elsewhere(settings.site, settings.sites, client)
    if not everything and settings.audit.key.get_secret_value():
        content["key"] = "audit.key"
    put_json(content)
    _tell(receipt)


def _tell(receipt: "ErasureReceipt") -> None:
    say(f"{counted(sum(receipt.removed.values()), 'row')} erased")
    left = []
    if receipt.unreadable:
        left.append(
            f"{counted(receipt.unreadable, 'batch')} could not be read and may hold more: see watchkeeper doctor"
        )
    if not receipt.is_overwritten:
        left.append(
            "the write-ahead log is in use and may hold what was erased: run it again, or restart the daemon"
        )
    if not receipt.is_rewritten:
        left.append(
            "pages of the database may hold copies of what was erased: stop all daemons, and run it again"
        )
    for line in left:
        say(line)
    if left:
        raise typer.Exit(Exit.FAILED)


def _ids(given: list[str]) -> list[str]:
    """The ids of the command line, and those of standard input."""
    ids = [one for one in given if one != "-"]
    if "-" in given:
        ids += [line.rstrip("\r\n") for line in sys.stdin if line.strip()]
    if given and not any(ids):
        raise InputError("no id was given", hint="use --id ID")
    return ids
