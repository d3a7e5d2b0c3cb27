"""The rollback plan of a model: who decides, who is informed, and the commands of its own executor. Pure."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from monitor.clock import iso
from monitor.config.units import format_duration
from monitor.records import Stream
from monitor.rollback.comparison import shown
from monitor.rollback.decision import newest_of, other_than
from monitor.rollback.executors.executor import ExecutorError, ExecutorSettings
from monitor.rollback.executors.registry import kind_of
from monitor.rollback.order import Order
from monitor.rollback.settings import RollbackSettings
from monitor.store.model_versions import Version
from monitor.store.rollback_drills import Drill
from monitor.visible import one_line


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What the plan of a stream is made of. `triggers` are the rules with an action; `page` is the client's page."""

    stream: Stream
    settings: RollbackSettings
    versions: Sequence[Version]
    drills: Sequence[Drill]
    triggers: Sequence[str]
    recipients: Sequence[str]
    page: str
    stop_file: str
    now: float


def plan(context: PlanContext) -> str:
    """The plan as Markdown."""
    order = _order(context)
    parts = (_head, _decision, _informed, _automatic, _by_hand, _data, _proof, _afterwards, _practice)
    return "\n".join(line for part in parts for line in part(context, order)) + "\n"


def _order(context: PlanContext) -> Order:
    newest = newest_of(context.versions)
    version = newest.version if newest else "NEW"
    other = other_than(version, context.versions)
    stream = context.stream
    return Order(
        id="plan",
        kind="rollback",
        client=stream.client,
        model=stream.model,
        environment=stream.environment,
        version=version,
        other=other.version if other else "OLD",
        trigger="plan",
        reason="plan",
        mode="on",
        decided_at=context.now,
    )


def _head(context: PlanContext, order: Order) -> Iterator[str]:
    yield f"# Rollback plan: {one_line(str(context.stream))}"
    yield ""
    yield f"Made {iso(context.now)}: from version {shown(order.version)} to version {shown(order.other)}."
    yield ""


def _decision(context: PlanContext, _: Order) -> Iterator[str]:
    yield "## 1. When"
    yield ""
    yield "- The person on call decides, with the delivery lead for anything that is not an outage"
    if context.triggers and context.settings.mode != "on":
        yield ""
        yield f"The mode is `{context.settings.mode}`. Once it is `on`, the daemon rolls back automatically when:"
        yield ""
    for name in context.triggers:
        yield f"- {name} fires, and only the new version is at fault"
    yield ""


def _informed(context: PlanContext, _: Order) -> Iterator[str]:
    contacts = context.settings.contacts
    mails = ", ".join(one_line(recipient) for recipient in context.recipients) or "subscribers of the page"
    yield "## 2. Who is informed"
    yield ""
    team, lead, client = (one_line(contacts.get(who, "not named")) for who in ("team", "lead", "client"))
    page = f" at {context.page}" if context.page else ""
    yield f"- The team ({team}): the page, and `RolledBack` when it is done."
    yield f"- The delivery lead ({lead}): the incident in the next digest ({mails})."
    yield f"- The client ({client}): a sentence on the page{page}, and an email to everyone who subscribed to changes."
    incident = shlex.quote(one_line(f"{context.stream.client}/{context.stream.model}/RolledBack"))
    yield f'- An update in words: `watchkeeper incident note {incident} "..."`'
    yield ""


def _automatic(context: PlanContext, order: Order) -> Iterator[str]:
    settings, executor = context.settings, context.settings.executor
    yield "## 3. Automatically"
    yield ""
    yield f"Mode `{settings.mode}`, executor `{kind_of(executor) or 'none'}`."
    if executor is not None:
        yield f"It would {_described(executor, order)}."
        yield f"Least rights: {executor.rights}"
    yield ""
    yield f"- At once: `watchkeeper rollback now {_quoted(context.stream)}`"
    stop = shlex.quote(context.stop_file)
    yield f"- Stop all rollbacks: `watchkeeper rollback stop`, or `touch {stop}` without the daemon"
    yield ""


def _by_hand(context: PlanContext, order: Order) -> Iterator[str]:
    yield "## 4. By hand"
    yield ""
    executor = context.settings.executor
    if executor is None:
        yield "No executor is configured, so the commands of the platform are unknown."
        yield ""
        return
    for number, step in enumerate(executor.manual(order), 1):
        yield f"{number}. {one_line(step.words)}"
        if step.command:
            yield ""
            yield f"   ```console\n   $ {step.command}\n   ```"
            yield ""
    yield ""


def _data(context: PlanContext, order: Order) -> Iterator[str]:
    yield "## 5. Data"
    yield ""
    if order.version in context.settings.migration:
        yield f"**Version {shown(order.version)} has a data migration. Restore the data first.**"
        yield ""
    yield context.settings.data.strip() or (
        "Not documented: set `rollback.data` of the model. Which tables, features or caches has the new version "
        "written, can the old one read them, and which backup is restored if not?"
    )
    yield ""


def _proof(context: PlanContext, order: Order) -> Iterator[str]:
    within = format_duration(context.settings.verify_within)
    yield "## 6. Proof"
    yield ""
    listed = f"`watchkeeper rollback list {_quoted(context.stream)}`"
    yield f"- Version {shown(order.version)} has lost its traffic within {within}: {listed}"
    yield f"- The alerts have resolved: `watchkeeper status {_quoted(context.stream)}`"
    yield "- Otherwise `RollbackFailed` pages: continue with section 4."
    yield ""


def _afterwards(context: PlanContext, order: Order) -> Iterator[str]:
    yield "## 7. Afterwards"
    yield ""
    yield f"- Version {shown(order.version)} is not deployed again: revert it in Git, too."
    yield "- The incident stays in the client's history; an update explains the cause."
    yield f"- The fault becomes a test, before the next rollout of {one_line(context.stream.model)}."
    yield ""


def _practice(context: PlanContext, _: Order) -> Iterator[str]:
    yield "## 8. Practice"
    yield ""
    every = format_duration(context.settings.drill_every)
    if context.drills:
        last = context.drills[0]
        took = "" if last.seconds is None else f" in {last.seconds:.1f} s"
        where = one_line(last.stream.environment)
        yield f"Last drill: {iso(last.started_at)} in {where}, {last.outcome}{took}. Due every {every}."
    else:
        yield f"No drill yet. Due every {every}."
    yield ""
    model = _quoted(Stream(context.stream.client, context.stream.model)).removesuffix("/production")
    yield f"`watchkeeper rollback drill {model} --environment staging`"


def _described(executor: ExecutorSettings, order: Order) -> str:
    try:
        return one_line(executor.describe(order))
    except ExecutorError as error:
        return f"refuse: {error.message}"


def _quoted(stream: Stream) -> str:
    return shlex.quote(one_line(str(stream)))
