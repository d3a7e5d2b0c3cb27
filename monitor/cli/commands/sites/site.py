"""`site`: bundles of counts from places without a network."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import put, put_json, put_line, put_table, say
from monitor.errors import InputError
from monitor.visible import counted

if TYPE_CHECKING:
    from monitor.config.root import Config
    from monitor.sites.bundling import Made
    from monitor.sites.receiving import ReceivedFile

_NOT_A_SITE = "this daemon is not a site: site.name is empty"


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    commands = typer.Typer(
        help="Sites: signed bundles of counts from places without a network.\n\nExample: watchkeeper site status",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    commands.command("init")(init)
    commands.command("bundle")(bundle)
    commands.command("push")(push)
    commands.command("import")(import_bundles)
    commands.command("status")(status)
    commands.command("key")(make_key)
    app.add_typer(commands, name="site")


def init(
    restored: Annotated[
        bool,
        typer.Option("--restored", help="The database was restored from a backup, and the outbox too."),
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make this database a site's: its key, its first epoch. Prints the public key for the agency.

    A second run changes nothing and prints the key again. All windows that are there will be bundled.

    Example: watchkeeper site init
    """
    from monitor.cli.store_option import made
    from monitor.sites import keys
    from monitor.sites.bundling import ensure

    settings = _loaded(config)
    path = Path(settings.site.key)
    if not path.exists():
        keys.create(path, keys.SIGNING)
    public = keys.public_of(keys.load(path, keys.SIGNING), keys.SIGNING)
    state = ensure(made(settings), settings.site, int(settings.predictions.base_window), is_restored=restored)
    say(
        f"site {state.site}, epoch {state.number}; at the agency, under sites: {{{state.site}: {{key: ...}}}}"
    )
    put(public)


def bundle(
    everything: Annotated[bool, typer.Option("--all", help="Bundle all windows again.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write bundles of what has changed since the last ones to the outbox. The daemon also does so automatically.

    Example: watchkeeper site bundle
    """
    from monitor.cli.store_option import opened
    from monitor.sites.bundling import Bundler
    from monitor.store import site_state

    settings = _loaded(config)
    store, base = opened(settings), int(settings.predictions.base_window)
    if everything:
        with store.write() as connection:
            site_state.note_all(connection, base)
    made = Bundler(store, settings.site, settings.windows, base).make(time.time())
    for path in made.paths:
        put(str(path))
    say(_summary(made))
    if made.reason:
        raise typer.Exit(1)


def _summary(made: "Made") -> str:
    many = counted(len(made.paths), "bundle")
    return f"{many} with {made.windows} windows" + (f"; {made.reason}" if made.reason else "")


def push(
    again: Annotated[
        str, typer.Option("--again", help="Numbers of bundles to send again, such as 38-39 or 41.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Send the bundles that wait in the outbox. The daemon also does so automatically.

    Exit code: 1 if bundles still wait, or were refused.

    Example: watchkeeper site push --again 38-39
    """
    from monitor.sites import sending
    from monitor.sites.outbox import Outbox

    settings = _loaded(config)
    if again:
        outbox = Outbox(Path(settings.site.outbox))
        first, last = _numbers(again)
        kept = [path for path in outbox.sent() if first <= _number(path) <= last]
        for path in kept:
            outbox.again(path)
        say(f"sent again: {counted(len(kept), 'bundle')}")
    done = sending.push(settings.site)
    for name in done.sent:
        put(name)
    for name, reason in done.refused:
        say(f"refused: {name}: {reason}")
    if done.reason:
        say(f"{done.waiting} bundles are waiting: {done.reason}")
    if done.refused or done.reason:
        raise typer.Exit(1)


def import_bundles(
    places: Annotated[list[Path], typer.Argument(help="Bundles, or folders of them.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Verify and merge bundles, each once, in any order. Files stay where they are.

    Exit code: 1 if one was refused.

    Example: watchkeeper site import /media/usb
    """
    from monitor.cli.store_option import made
    from monitor.sites.merge import catch_up
    from monitor.sites.receiving import find, read

    settings, now = _loaded(config, is_site=False), time.time()
    store = made(settings)
    paths = find(places)
    done = [read(path, store, settings.sites, int(settings.predictions.base_window), now) for path in paths]
    catch_up(store, now)
    if as_json:
        put_json([_as_json(one) for one in done])
    else:
        for one in done:
            put(_line(one))
    if not done:
        say("no bundles")
    if any(one.merged is None for one in done):
        raise typer.Exit(1)


def _as_json(one: "ReceivedFile") -> dict[str, Any]:
    answer: dict[str, Any] = {"file": str(one.path), "merged": one.merged is not None, "reason": one.reason}
    if one.merged is not None:
        head = one.merged.head
        answer |= {"site": head.site, "epoch": head.epoch, "seq": head.seq, "new": one.merged.is_new}
        answer |= {"windows": one.merged.windows, "rows": one.merged.rows, "note": one.merged.note}
    return answer


def _line(one: "ReceivedFile") -> str:
    if one.merged is None:
        return f"✖ {one.path.name}: {one.reason}"
    merged = one.merged
    if not merged.is_new:
        return f"✔ {one.path.name}: merged before"
    note = f"; {merged.note}" if merged.note else ""
    return f"✔ {one.path.name}: {merged.windows} windows, {counted(merged.rows, 'prediction')}{note}"


def status(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show what this site has bundled and sent, and what has arrived of the sites that this daemon knows.

    Exit code: 1 if a site is silent, or bundles are missing.

    Example: watchkeeper site status --json
    """
    from monitor.cli.lists import operation_listing
    from monitor.config.root import load

    known = operation_listing.sites(load(config))
    if as_json:
        put_json({"site": known.site, "sites": [site.fields for site in known.sites]})
    else:
        for name, value in (known.site or {}).items():
            put_line(f"{name}: {value}")
        if known.sites:
            put_table(
                ("site", "client", "last bundle", "arrived", "as of", "missing"),
                [tuple(site.row) for site in known.sites],
            )
        for site in known.sites:
            put_line(site.sentence)
    if known.site is None and not known.sites:
        say("no site is configured")
    if any(site.is_failing for site in known.sites):
        raise typer.Exit(1)


def make_key(
    file: Annotated[Path, typer.Argument(help="The new file for the private key.")],
) -> None:
    """Make a key pair for encrypted bundles: the file for `decrypt_with` here, the public key for `encrypt_for` there.

    Example: watchkeeper site key agency.key
    """
    from monitor.sites import keys

    put(keys.create(file, keys.SEALING))


def _loaded(config: Path, *, is_site: bool = True) -> "Config":
    from monitor.config.root import load

    settings = load(config)
    if is_site and not settings.site.name:
        raise InputError(_NOT_A_SITE, hint=f"set site.name in {config}")
    if not is_site and not settings.sites:
        raise InputError("no site is configured", hint=f"add sites under sites: in {config}")
    return settings


def _numbers(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal():
        raise InputError(f"{text[:40]!r} is not a range of bundles", hint="write 38 or 38-39")
    return int(first), int(last or first)


def _number(path: Path) -> int:
    text = path.stem.rpartition("-")[2]
    return int(text) if text.isdecimal() else -1
