"""`relay`: takes records inside a client's network and sends them to the daemon, with a buffer on disk."""

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import JsonOption
from monitor.cli.output import put, put_json, put_table, say

if TYPE_CHECKING:
    from monitor.relay.settings import RelaySettings

DEFAULT_FILE = Path("relay.yaml")
RelayOption = Annotated[Path, typer.Option("--config", "-c", help="The file of the relay.")]


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    commands = typer.Typer(
        help="A relay: a single exit from a network for many senders, with a buffer on disk.\n\n"
        "Example: watchkeeper relay status",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    commands.command("run")(run)
    commands.command("status")(status)
    commands.command("retry")(retry)
    commands.command("erase")(erase)
    commands.command("key")(key)
    app.add_typer(commands, name="relay")


def run(config: RelayOption = DEFAULT_FILE) -> None:
    """Start the relay and stay in the foreground until Ctrl-C or SIGTERM.

    Example: watchkeeper relay run --config relay.yaml
    """
    from monitor.relay.relay import Relay
    from monitor.relay.settings import load
    from monitor.runtime.cpu_tuning import release_freed_memory, share_freed_memory
    from monitor.runtime.gc_tuning import tune_garbage_collector
    from monitor.runtime.logs import configure
    from monitor.runtime.secrets import secrets_of

    tune_garbage_collector()
    share_freed_memory()
    settings = load(config)
    configure("info", as_json=False, secrets=secrets_of(settings))
    relay = Relay(settings)

    def announce() -> None:
        release_freed_memory()  # memory of the start
        with contextlib.suppress(OSError):  # a closed or full terminal must not stop the relay
            say(f"The relay listens at {relay.server.url} and sends to {settings.upstream.url}")

    relay.serve(announce)


def status(config: RelayOption = DEFAULT_FILE, as_json: JsonOption = False) -> None:
    """Show what waits, since when, why, and what the daemon has refused.

    Exit code: 1 if the relay does not run, the daemon takes nothing, or something is set aside.

    Example: watchkeeper relay status
    """
    import msgspec

    from monitor.config.sections import format_size
    from monitor.config.units import format_duration
    from monitor.relay.forwarding import flaw_of_window
    from monitor.relay.status import status_of

    settings = _loaded(config)
    state = status_of(Path(settings.folder), settings.buffer, time.time())
    if as_json:
        put_json(msgspec.to_builtins(state) | {"is_well": state.is_well})
    else:
        put(f"the relay {'is running' if state.is_running else 'is not running'}")
        put(f"{state.waiting_bytes:,} bytes of {format_size(state.buffer_bytes)} waiting")
        rows = [
            (
                one.key,
                f"{one.waiting_bytes:,}",
                "-" if one.oldest_seconds is None else format_duration(round(one.oldest_seconds)),
                str(one.sent),
                str(len(one.set_aside)),
                one.error or one.set_aside_reason or one.rejected or "-",
            )
            for one in state.keys
        ]
        put_table(("key", "waiting bytes", "oldest", "sent", "set aside", "reason"), rows)
        windows = [one.resend_window for one in state.keys if one.resend_window]
        if windows and (warning := flaw_of_window(min(windows), settings.keep)):
            put(warning)
    if not state.is_well:
        raise typer.Exit(1)


def retry(config: RelayOption = DEFAULT_FILE) -> None:
    """Send everything that is set aside once more. A running relay does so within a second.

    Example: watchkeeper relay retry
    """
    from monitor.relay.status import retry as send_again

    say(f"{send_again(Path(_loaded(config).folder))} requests will be sent again")


def erase(
    client: Annotated[str, typer.Option("--client", help="The client whose requests are deleted.")],
    config: RelayOption = DEFAULT_FILE,
) -> None:
    """Delete all requests of a client that the relay holds: what waits, what is set aside, what was sent lately.

    Stop the relay first. For single records, let it send what waits, and erase them at the daemon.

    Example: watchkeeper relay erase --client acme
    """
    from monitor.relay.erasing import erase as delete

    for name, size in delete(_loaded(config), client).items():
        put(f"{name}: {size:,} bytes deleted")


def key() -> None:
    """Print a new key for a sender.

    Example: watchkeeper relay key
    """
    import secrets

    put("wkr_" + secrets.token_urlsafe(32))


def _loaded(config: Path) -> "RelaySettings":
    from monitor.relay.settings import load

    return load(config)
