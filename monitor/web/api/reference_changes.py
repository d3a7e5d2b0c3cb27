"""Changes over the API to what a model is held against: the normal state of its data, system prompts and canaries."""

import msgspec

from monitor.drift.acceptance import accept
from monitor.errors import InputError, NotFoundError
from monitor.store import registered_texts
from monitor.store.registered_texts import Canary, SystemPrompt
from monitor.store.streams import figures as figures_of
from monitor.store.streams import streams
from monitor.text_limits import LABEL, NAME, flaw_of_name, flaw_of_text
from monitor.web.api.change import Change, ChangeRequest, Nothing, OfModel
from monitor.windows import closing

MOST_HASHES = 100_000
_LARGEST_HASH = 2**64


class NewReference(OfModel, kw_only=True):
    """The start of the new normal state of a model's data, in seconds since the epoch."""

    since: float


class Accepted(msgspec.Struct):
    """How many windows are the new reference."""

    windows: int


class NewPrompt(msgspec.Struct):
    """The system prompt of a version as hashes: runs of six words, as `watchkeeper prompts register` makes them."""

    client: str
    model: str
    version: str
    words: int
    hashes: list[int]


class PromptAnswer(msgspec.Struct):
    """How many hashes are stored."""

    hashes: int


class OldPrompt(msgspec.Struct):
    """The version whose system prompt is deleted."""

    client: str
    model: str
    version: str


class NewCanary(msgspec.Struct):
    """A canary, as the SHA-256 of its text in hexadecimal. Without `model`, for all models of the client."""

    client: str
    digest: str
    model: str = ""
    name: str = ""


class CanaryAnswer(msgspec.Struct):
    """The id of the canary."""

    id: str


def accept_reference(change: ChangeRequest[NewReference]) -> Accepted:
    """Accept the data of a model since a time as the new normal for drift."""
    services, stream, now = change.services, change.body.stream, change.now
    change.is_about(stream.client)
    with services.store.read() as connection:
        figures, models = figures_of(connection, stream), len(streams(connection))
    if figures is None:
        raise NotFoundError(f"no predictions of {stream} have been received", hint="see: watchkeeper status")
    until = closing.horizon(figures.watermark, figures.last_received, now, services.windows)
    count = accept(
        services.store, stream, services.drift, services.base_seconds, change.body.since, until, now,
        change.who, models, address=change.address,
    )  # fmt: skip
    return Accepted(count)


def register_prompt(change: ChangeRequest[NewPrompt]) -> PromptAnswer:
    """Register the system prompt of a version, so that answers that repeat it are found."""
    new = change.body
    _check_names(client=new.client, model=new.model)
    change.is_about(new.client)
    _check_version(new.version)
    hashes = frozenset(new.hashes)
    if not 0 < len(hashes) <= MOST_HASHES or not 0 <= min(hashes) <= max(hashes) < _LARGEST_HASH:
        raise InputError(f"a prompt has 1 to {MOST_HASHES:,} hashes of 64 bits")
    prompt = SystemPrompt(
        new.client, new.model, new.version, hashes, min(max(new.words, 0), 2**31 - 1), change.now
    )
    with change.services.store.write() as connection:
        if registered_texts.register_prompt(connection, prompt):
            change.note(connection, new.client, f"register prompt of {new.client}/{new.model} {new.version}")
    return PromptAnswer(len(hashes))


def remove_prompt(change: ChangeRequest[OldPrompt]) -> PromptAnswer:
    """Forget the system prompt of a version."""
    old = change.body
    change.is_about(old.client)
    _check_names(client=old.client, model=old.model)
    _check_version(old.version)
    with change.services.store.write() as connection:
        if not registered_texts.remove_prompt(connection, old.client, old.model, old.version):
            raise NotFoundError("there is no such prompt", hint="watchkeeper prompts list")
        change.note(connection, old.client, f"remove prompt of {old.client}/{old.model} {old.version}")
    return PromptAnswer(0)


def add_canary(change: ChangeRequest[NewCanary]) -> CanaryAnswer:
    """Store the hash of a canary: a token that must never appear in an answer."""
    new = change.body
    given = {subject: getattr(new, subject) for subject in ("model", "name")}
    _check_names(client=new.client, **{subject: text for subject, text in given.items() if text})
    change.is_about(new.client)
    try:
        digest = bytes.fromhex(new.digest)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise InputError("digest is not a SHA-256 in hexadecimal", hint="64 digits")
    canary = Canary(new.client, new.model, new.name, digest, change.now)
    with change.services.store.write() as connection:
        if registered_texts.add_canary(connection, canary):
            change.note(
                connection, new.client, f"add canary {canary.id} of {new.client}/{new.model or 'all'}"
            )
    return CanaryAnswer(canary.id)


def remove_canary(change: ChangeRequest[Nothing]) -> CanaryAnswer:
    """Forget a canary."""
    bound = change.visitor.client
    with change.services.store.write() as connection:
        canaries = registered_texts.load(connection).canaries
        known = [
            canary for canary in canaries if canary.id == change.identity and bound in ("", canary.client)
        ]
        if not registered_texts.remove_canaries(connection, known):
            raise NotFoundError("there is no such canary", hint="watchkeeper canary list")
        change.is_about(known[0].client)
        change.note(connection, known[0].client, f"remove canary {change.identity}")
    return CanaryAnswer(change.identity)


def _check_names(**named: str) -> None:
    for subject, text in named.items():
        if flaw := flaw_of_name(text):
            raise InputError(f"the {subject} {flaw}", hint=f"use 1 to {NAME} visible characters and no slash")


def _check_version(version: str) -> None:
    if not 0 < len(version) <= LABEL or flaw_of_text(version):
        raise InputError("the version cannot be stored", hint=f"use 1 to {LABEL} characters")


CHANGES = (
    Change("baselines/accept", "operator", NewReference, Accepted, accept_reference),
    Change("prompts", "operator", NewPrompt, PromptAnswer, register_prompt),
    Change("prompts/remove", "operator", OldPrompt, PromptAnswer, remove_prompt),
    Change("canaries", "operator", NewCanary, CanaryAnswer, add_canary),
    Change("canaries/{identity:str}/remove", "operator", Nothing, CanaryAnswer, remove_canary),
)
