"""`rollback`: what was rolled back, a rollback by hand, and the kill switch."""

import getpass
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import put, put_json, put_line, put_table, say
from monitor.cli.stream_names import StreamArgument, stream_of
from monitor.clock import iso
from monitor.visible import visible

if TYPE_CHECKING:
    from monitor.rollback.manual import Requester
    from monitor.store.rollbacks import Rollback

rollback = typer.Typer(
    help="Rollbacks of new versions.\n\nExample: watchkeeper rollback list",
    no_args_is_help=True,
    rich_markup_mode=None,
)
ADDRESS = "command line"
ByOption = Annotated[str, typer.Option("--by", help="Your name.")]
CommentOption = Annotated[str, typer.Option("--comment", help="Why; it is stored.")]
AnyModelArgument = Annotated[
    str, typer.Argument(metavar="[MODEL]", help="client/model or client/model/environment. Default: all.")
]


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.add_typer(rollback, name="rollback")


@rollback.command("list")
def list_rollbacks(
    model: AnyModelArgument = "", config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """List decisions on rollbacks, newest first, and what stops them.

    Example: watchkeeper rollback list acme/fraud
    """
    from monitor.cli.lists import model_listing
    from monitor.config.root import load

    known = model_listing.rollbacks(load(config), stream_of(model) if model else None)
    if as_json:
        put_json([_as_json(one) for one in known.rollbacks])
        return
    if known.file:
        say(f"all rollbacks are stopped by the file {visible(known.file)}")
    for stop in known.stops:
        say(
            visible(f"rollbacks of {stop.model or 'all models'} are stopped by {stop.author} since {stop.at}")
        )
    columns = ("id", "decided", "model", "version", "to", "what", "mode", "state", "trigger")
    put_table(columns, (_row(one) for one in known.rollbacks))
    if not known.rollbacks:
        say("no decisions on rollbacks yet")


@rollback.command("show")
def show(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `rollback list` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show one decision: its reason, the executor's answers, and the traffic before and after.

    Example: watchkeeper rollback show 3f9a01bc77de
    """
    from monitor.cli.lists import model_listing
    from monitor.config.root import load

    rollback_row = model_listing.rollback(load(config), identity)
    one = rollback_row.rollback
    if as_json:
        put_json(_as_json(one))
        return
    put_line(f"{one.kind} of version {one.version} of {one.stream}, to version {one.other or '(not known)'}")
    put_line(f"{one.state}: {one.detail or one.reason}")
    put_line(f"why: {one.reason}")
    put_line(
        f"decided {iso(one.decided_at)} by {one.author}, mode {one.mode}, executor {one.executor or 'none'}"
    )
    for name, moment in (("sent", one.sent_at), ("answered", one.answered_at), ("ended", one.ended_at)):
        if moment is not None:
            put(f"{name} {iso(moment)}")
    for answer in rollback_row.attempts:
        put_line(f"attempt {answer.at}: {answer.outcome} after {answer.seconds:.1f} s: {answer.detail}")
    for when, share in (("before", one.share_before), ("after", one.share_after)):
        if share is not None:
            put(f"share of the traffic {when}: {share:.1%}")


@rollback.command("now")
def now(
    model: StreamArgument,
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="Default: the newest version.")] = "",
    other: Annotated[
        str, typer.Option("--to", help="Default: the other version that answered most recently.")
    ] = "",
    freeze: Annotated[bool, typer.Option("--freeze", help="Freeze the rollout instead.")] = False,
    comment: CommentOption = "",
    by: ByOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Roll a version back at once: the daemon gives the order to the model's executor.

    Example: watchkeeper rollback now acme/fraud 8 --comment "wrong prices"
    """
    from monitor.cli import daemon_client
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.rollback import manual
    from monitor.rollback.manual import RollbackRequest

    settings, stream = load(config), stream_of(model)
    requested = RollbackRequest("freeze" if freeze else "rollback", version, other)
    base, file = int(settings.predictions.base_window), Path(settings.rollback.stop_file)
    own = settings.model(stream).rollback
    if (daemon := daemon_client.running(settings)) is not None:
        wanted = {"kind": requested.kind, "version": version, "to": other, "comment": comment}
        order = visible(str(daemon.post("rollbacks", daemon_client.named(stream) | wanted)["id"]))
    else:
        with opened(settings).write() as connection:
            order = manual.order_now(
                connection, stream, requested, own, _person(by, comment), file, base, time.time()
            ).id
    say(f"the daemon carries it out within seconds; see: watchkeeper rollback show {order}")
    put(order)


@rollback.command("stop")
def stop(
    model: AnyModelArgument = "",
    comment: CommentOption = "",
    by: ByOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Stop all rollbacks, or those of one model: nothing is decided, and orders that wait are not carried out.

    Example: watchkeeper rollback stop --comment "maintenance of the cluster"
    """
    from monitor.cli import daemon_client
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.rollback import manual

    settings, stream = load(config), stream_of(model) if model else None
    if (daemon := daemon_client.running(settings)) is not None:
        daemon.post("rollbacks/stop", (daemon_client.named(stream) if stream else {}) | {"comment": comment})
    else:
        with opened(settings).write() as connection:
            manual.stop(connection, stream, _person(by, comment), time.time())
    say(
        f"rollbacks of {stream or 'all models'} are stopped; to end it: watchkeeper rollback resume {model}".rstrip()
    )


@rollback.command("resume")
def resume(model: AnyModelArgument = "", by: ByOption = "", config: ConfigOption = DEFAULT_CONFIG) -> None:
    """End a stop of all rollbacks, or of those of one model.

    Example: watchkeeper rollback resume
    """
    from monitor.cli import daemon_client
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.rollback import manual

    settings, stream = load(config), stream_of(model) if model else None
    if (daemon := daemon_client.running(settings)) is not None:
        answer = daemon.post("rollbacks/resume", daemon_client.named(stream) if stream else {})
        ended, file = int(answer["stops"]), visible(str(answer["file"]))
    else:
        with opened(settings).write() as connection:
            ended = manual.resume(connection, stream, _person(by, ""), time.time())
        stop_file = Path(settings.rollback.stop_file)
        file = str(stop_file) if stop_file.exists() else ""
    if file:
        say(f"the file {file} still stops all rollbacks: remove it")
    elif not ended:
        say(f"rollbacks of {stream or 'all models'} were not stopped")
    else:
        say(f"rollbacks of {stream or 'all models'} are allowed again")


def _person(name: str, comment: str) -> "Requester":
    from monitor.rollback.manual import Requester

    return Requester(name or getpass.getuser(), ADDRESS, comment)


def _row(one: "Rollback") -> tuple[str, ...]:
    return (
        one.id, iso(one.decided_at), str(one.stream), one.version, one.other, one.kind, one.mode, str(one.state),
        one.trigger,
    )  # fmt: skip


def _as_json(one: "Rollback") -> dict[str, object]:
    from msgspec import to_builtins

    return {**to_builtins(one), "stream": str(one.stream)}
