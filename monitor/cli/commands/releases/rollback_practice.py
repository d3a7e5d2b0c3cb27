"""`rollback plan`, `rollback drill` and `rollback drills`: the plan of a model, and its practice."""

import getpass
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.commands.releases.rollback import ByOption, rollback
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import Exit, put, put_json, put_table, say
from monitor.cli.stream_names import StreamArgument, stream_of
from monitor.clock import iso
from monitor.errors import InputError

if TYPE_CHECKING:
    from monitor.config.root import Config
    from monitor.records import Stream
    from monitor.rollback.drill import DrillRun
    from monitor.rollback.procedure.plan import PlanContext
    from monitor.store.rollback_drills import Drill


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""


@rollback.command("plan")
def plan(model: StreamArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print the rollback plan of a model, with the commands of its executor, as Markdown.

    Example: watchkeeper rollback plan acme/fraud
    """
    from monitor.config.root import load
    from monitor.rollback.procedure import plan as plans

    stream = stream_of(model)
    put(plans.plan(_context(load(config), stream)).rstrip("\n"))


@rollback.command("drill")
def drill(
    model: StreamArgument,
    environment: Annotated[
        str, typer.Option("--environment", help="Where the drill's executor acts.")
    ] = "staging",
    version: Annotated[
        str, typer.Option("--version", help="The version to take back. Default: the newest.")
    ] = "",
    other: Annotated[
        str, typer.Option("--to", help="Default: the other version that answered most recently.")
    ] = "",
    by: ByOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Practise a rollback: a fault made of data, the alert, the decision, the executor of drills or a dry run, the
    verification, and the end. Exit code: 0 if it passed, 1 if not.

    Example: watchkeeper rollback drill acme/fraud --environment staging
    """
    from monitor.cli.store_option import made
    from monitor.config.root import load
    from monitor.store import rollback_drills

    settings = load(config)
    store = made(settings)
    run = _run(settings, stream_of(model), environment, (version, other), by)
    done = run.run()
    with store.write() as connection:
        rollback_drills.put(connection, done)
    if as_json:
        put_json(_as_json(done))
    else:
        for step in done.steps:
            put(
                f"{'ok    ' if step.worked else 'FAILED'}  {step.name:8}  {step.seconds:7.2f} s  {step.words}"
            )
        say(f"the drill has {done.outcome} in {done.seconds:.1f} s, with {_acted(done)}")
    if done.outcome != rollback_drills.PASSED:
        raise typer.Exit(Exit.FAILED)


@rollback.command("drills")
def drills(model: StreamArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the drills of a model, newest first, with the time of each step.

    Example: watchkeeper rollback drills acme/fraud
    """
    from monitor.cli.lists import model_listing
    from monitor.config.root import load

    listed = model_listing.drills(load(config), stream_of(model)).drills
    if as_json:
        put_json([_as_json(one) for one in listed])
        return
    rows = []
    for one in listed:
        steps = ", ".join(
            f"{step.name} {step.seconds:.2f} s{'' if step.worked else ' FAILED'}" for step in one.steps
        )
        rows.append(
            (iso(one.started_at), one.stream.environment, one.outcome, one.executor, one.author, steps)
        )
    put_table(("started", "environment", "outcome", "executor", "by", "steps"), rows)
    if not listed:
        say("no drills yet; see: watchkeeper rollback drill")


def _context(settings: "Config", stream: "Stream") -> "PlanContext":
    from monitor.cli.store_option import opened
    from monitor.config.rule_files import rules_of
    from monitor.rollback.procedure.plan_context import plan_context

    client, own = settings.clients.get(stream.client), settings.model(stream).rollback
    recipients = list(client.digest.to) if client else []
    file, url = str(Path(settings.rollback.stop_file).absolute()), settings.web.public_url
    with opened(settings).read() as connection:
        return plan_context(connection, stream, own, rules_of(settings), recipients, url, file, time.time())


def _run(
    settings: "Config", stream: "Stream", environment: str, versions: tuple[str, str], by: str
) -> "DrillRun":
    from monitor.cli.store_option import opened
    from monitor.clock import ManualClock
    from monitor.config.rule_files import rules_of
    from monitor.records import Stream
    from monitor.rollback.decision import newest_of, other_than
    from monitor.rollback.drill import DrillRun
    from monitor.store import model_versions

    where = Stream(stream.client, stream.model, environment)
    with opened(settings).read() as connection:
        known = model_versions.of(connection, where) or model_versions.of(connection, stream)
    own, newest = settings.model(stream).rollback, newest_of(known)
    version = versions[0] or (newest.version if newest else "")
    replacement = other_than(version, known)
    other = versions[1] or (replacement.version if replacement else "")
    if own.drill_executor is None:  # nothing is called, so any names will do
        version, other = version or "new", other or "old"
    if not version or not other or version == other:
        raise InputError("the two versions to compare are not known", hint="name them: --version 8 --to 7")
    return DrillRun(
        where,
        own,
        rules_of(settings),
        version,
        other,
        Path(settings.rollback.stop_file),
        by or getpass.getuser(),
        ManualClock(time.time()),
    )


def _acted(done: "Drill") -> str:
    return "a dry run of the executor" if done.executor == "dry run" else f"the executor {done.executor}"


def _as_json(done: "Drill") -> dict[str, object]:
    from msgspec import to_builtins

    return {**to_builtins(done), "stream": str(done.stream), "seconds": done.seconds}
