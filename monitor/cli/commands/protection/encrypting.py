"""`store`: encrypts, decrypts and checks the database."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.cli.output import Exit, put, say
from monitor.errors import InputError

if TYPE_CHECKING:
    from monitor.config.schema import Config

store = typer.Typer(
    help="Encryption of the database.\n\nExample: watchkeeper store check",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.add_typer(store, name="store")


@store.command("encrypt")
def encrypt(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Encrypt the existing database with `store.key`. Stop all daemons first.

    Example: watchkeeper store encrypt
    """
    settings, path, key = _encrypted(config)
    _convert(settings, path, "", key)
    say("earlier backups and reports are not encrypted: delete them")


@store.command("rekey")
def rekey(
    new_key: Annotated[Path, typer.Argument(metavar="FILE", help="A file with the new key, 64 hex digits.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Encrypt the database with a new key. Stop all daemons first; afterwards, put the new key into `store.key`.

    Example: watchkeeper store rekey new.key
    """
    from monitor.config.sections import Secret
    from monitor.store.settings import StoreSettings

    settings, path, key = _encrypted(config)
    try:
        text = new_key.read_text(encoding="utf-8").strip()
        new = StoreSettings(key=Secret(text)).key.get_secret_value()
    except (ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or "is not a key of 64 hexadecimal digits"
        raise InputError(f"{new_key}: {reason}", hint="create one with: openssl rand -hex 32") from error
    if not new:
        raise InputError(f"{new_key} is empty", hint="to remove the key, use: watchkeeper store decrypt")
    _convert(settings, path, key, new)
    say("now put the new key into the file of store.key")


@store.command("decrypt")
def decrypt(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Decrypt the database. Stop all daemons first; afterwards, remove `store.key`.

    Example: watchkeeper store decrypt
    """
    settings, path, key = _encrypted(config)
    _convert(settings, path, key, "")
    say("now remove store.key from the configuration")


@store.command("check")
def check(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check every page of the database, and with `store.key` that it is encrypted and no page was changed.

    Example: watchkeeper store check
    """
    from monitor.config.root import load
    from monitor.store.db import store_of
    from monitor.store.integrity import full_check

    opened = store_of(load(config).store)
    if opened.path is not None and not opened.path.exists():
        raise InputError(f"no database at {opened.path}", hint="start the daemon first")
    problems = list(full_check(opened))
    for problem in problems:
        put(f"✖ {problem}")
    if problems:
        raise typer.Exit(Exit.FAILED)
    put(f"✔ {'encrypted, ' if opened.key and opened.is_sqlite else 'not encrypted, '}no damage found")


def _encrypted(config: Path) -> "tuple[Config, Path, str]":
    """The configuration, the path of its database and its key."""
    from monitor.config.root import load
    from monitor.store.db import Store

    settings = load(config)
    key, path = settings.store.key.get_secret_value(), Store(settings.store.url).path
    if path is None:
        raise InputError(
            "only SQLite databases can be encrypted",
            hint="encrypt the disk of PostgreSQL, and use sslmode=verify-full",
        )
    if not key:
        raise InputError(
            "store.key is not set", hint='set store.key: "${file:/run/secrets/watchkeeper-store}"'
        )
    return settings, path, key


def _convert(settings: "Config", path: Path, old: str, new: str) -> None:
    from monitor.cli.store_option import entry
    from monitor.outage.emergency import spool_path
    from monitor.outage.journal import reseal
    from monitor.store import audit
    from monitor.store.db import Store
    from monitor.store.encryption import convert

    url = settings.store.url
    is_new = convert(path, old, new)
    if name := spool_path(settings.notify.spool, Store(url)):
        reseal(Path(name), old, new)
    for report in (*settings.reports.folder.glob("*.html"), *settings.reports.folder.glob("*.sealed")):
        report.unlink(missing_ok=True)
    with Store(url, key=new).write() as connection:
        audit.add(connection, [entry("change")])
    put(
        f"{path} {'is now' if is_new else 'was already'} {'encrypted with this key' if new else 'not encrypted'}"
    )
