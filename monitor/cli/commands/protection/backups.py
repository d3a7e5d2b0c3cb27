"""`backup`, `restore`: everything that is stored, as one file."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.cli.output import bar, put, say
from monitor.visible import counted, visible

if TYPE_CHECKING:
    from monitor.config.root import Config
    from monitor.store.audit import AuditEntry


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; it must not exist.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write a backup of the database to one file, while daemons run.

    Example: watchkeeper backup backup.db
    """
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.store.backup import write

    store = opened(load(config))
    with bar("backing up") as progress:
        made = write(store, out, progress)
    put(str(made.path))
    say(f"{counted(made.rows, 'row')}, {made.size / 1e6:,.1f} MB, checked")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `watchkeeper backup` wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Delete the existing data.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Restore a backup into the database of the configuration. Stop all daemons first.

    What was erased since the backup is back: it is listed, with the commands that erase it again.

    Example: watchkeeper restore backup.db --replace
    """
    from monitor.cli.store_option import made
    from monitor.config.root import load
    from monitor.maintenance import restored_erasures
    from monitor.store.db import store_of
    from monitor.store.restore import restore as put_back

    settings = load(config)
    store = store_of(settings.store)
    erased = restored_erasures.erasures(store)
    with bar("restoring") as progress:
        counts = put_back(file, store, replaces=replace, progress=progress)
    with made(settings).write():
        pass  # the entry in the audit log
    _tell_of_erased(settings, erased)
    put(f"{counted(sum(counts.values()), 'row')} restored from {file}")
    for fault in store.faults.active():
        say(f"skipped: {fault.part} {fault.subject}: {fault.reason}")
    say("keys that were revoked since the backup are valid again: see watchkeeper key list")


def _tell_of_erased(settings: "Config", erased: "list[AuditEntry] | None") -> None:
    from monitor.cli.store_option import made, user
    from monitor.maintenance import restored_erasures as again

    if erased is None:
        say(
            "no audit log was here that tells what was erased since the backup: repeat the erasures of your receipts"
        )
        return
    store = made(settings)
    back = again.brought_back(erased, again.erasures(store) or [])
    if back:
        again.enter(store, back, time.time(), user())
    for one in back:
        say(f"erased earlier, and restored by this backup: {visible(one.client)}: {again.words(one)}")
        say(f"  erase it again: {again.command(one)}")
