"""`release approve` and `release check`: who let a version pass, and whether that is enough."""

import getpass
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.commands.releases.release import release
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.cli.output import Exit, put, put_line, say
from monitor.cli.stream_names import StreamArgument, stream_of
from monitor.errors import InputError
from monitor.visible import visible

if TYPE_CHECKING:
    from monitor.store.approvals import Approval

VersionArgument = Annotated[
    str, typer.Argument(metavar="VERSION", help="The version that the predictions name.")
]
_ADDRESS = "command line"


def register(_app: typer.Typer) -> None:
    """Register the commands of this file, which belong to `release`."""
    release.command("approve")(approve)
    release.command("check")(check)


def approve(
    model: StreamArgument,
    version: VersionArgument,
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", help="What you saw: a JSON file, such as the result of the gate."),
    ] = None,
    note: Annotated[str, typer.Option("--note", help="What you saw, or the reason for the decision.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who decides. Default: the current user.")] = "",
    decline: Annotated[bool, typer.Option("--decline", help="Decline the version instead.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Approve a version for the team. Prints what is still missing before it may be promoted.

    Example: watchkeeper release approve acme/fraud 8 --note "the gate has passed on October"
    """
    from monitor.cli import daemon_client, store_option
    from monitor.config.root import load
    from monitor.releases.approval import approve as approving
    from monitor.store.approvals import TEAM, Approval

    seen = approving.evidence(_read(evidence)) if evidence else ""
    if not seen and not note:
        raise InputError("the evidence is missing", hint="add --evidence gate.json, or --note")
    settings, stream, now = load(config), stream_of(model), time.time()
    who = by or getpass.getuser()
    made = Approval(stream, version, TEAM, not decline, who, now, note=note, evidence=seen)
    if (daemon := daemon_client.running(settings)) is not None:
        answer = daemon.post("approvals", _as_json(made, seen))
        is_new, reason = bool(answer["new"]), str(answer["reason"])
    else:
        with store_option.made(settings).write() as connection:
            is_new = approving.decide(connection, made, _ADDRESS)
            decision = approving.decision_on(connection, stream, version, settings.release_policy(stream))
        reason = decision.reason
    if summary := approving.summary(seen):
        say(f"seen: {summary}")
    word = "declined" if decline else "approved"
    say(f"version {visible(version)} of {visible(str(stream))} is {word}{'' if is_new else ' already'}")
    put(reason)


def check(model: StreamArgument, version: VersionArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check whether a version has the approvals that its model requires. Exit code: 0 if so, 1 if not.

    Example: watchkeeper release check acme/fraud 8
    """
    from monitor.cli.lists import model_listing
    from monitor.config.root import load

    decision = model_listing.missing_approval(load(config), stream_of(model), version)
    put_line(decision.reason)
    if decision.needed:
        raise typer.Exit(Exit.FAILED)


def _as_json(made: "Approval", evidence: str) -> dict[str, object]:
    """A decision as the daemon reads it. It is noted under the name of the key."""
    stream = made.stream
    content = {"client": stream.client, "model": stream.model, "environment": stream.environment}
    decided = {"version": made.version, "approved": made.approved, "note": made.note}
    return content | decided | ({"evidence": json.loads(evidence)} if evidence else {})


def _read(path: Path) -> bytes:
    from monitor.releases.approval.approve import LARGEST_EVIDENCE

    try:
        with path.open("rb") as file:
            return file.read(LARGEST_EVIDENCE + 1)
    except OSError as error:
        raise InputError(f"{visible(str(path))} cannot be read: {visible(str(error.strerror))}") from error
