"""`backup`, `restore`: everything that is stored, as one file."""

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.cli.output import bar, put, say
from monitor.visible import counted


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
    replace: Annotated[bool, typer.Option("--replace", help="Delete the data that is there.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Restore a backup into the database of the configuration. Stop all daemons first.

    Example: watchkeeper restore backup.db --replace
    """
    from monitor.cli.store_option import made
    from monitor.config.root import load
    from monitor.store.db import store_of
    from monitor.store.restoring import restore as put_back

    settings = load(config)
    store = store_of(settings.store)
    with bar("restoring") as progress:
        counts = put_back(file, store, replaces=replace, progress=progress)
    with made(settings).write():
        pass  # the entry in the audit log
    put(f"{counted(sum(counts.values()), 'row')} restored from {file}")
    for fault in store.faults.active():
        say(f"skipped: {fault.part} {fault.subject}: {fault.reason}")
    say("keys that were revoked since the backup are valid again: see watchkeeper key list")
