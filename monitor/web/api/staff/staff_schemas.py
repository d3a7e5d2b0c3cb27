"""Incidents and the quarantine as staff read them. Fields may be added, never removed; times are ISO 8601 in UTC."""

import msgspec


class StaffNoteAnswer(msgspec.Struct, frozen=True):
    """An update on an incident, with its id and its author."""

    id: str
    at: str
    author: str
    text: str


class StaffIncidentAnswer(msgspec.Struct, frozen=True):
    """One incident in the client's words, with the rule that found it. `seconds` is how long it has lasted."""

    client: str
    model: str
    environment: str
    rule: str
    state: str
    sentence: str
    started: str
    ended: str | None
    taken_up: str | None
    seconds: float
    id: str
    about: str
    cause: str
    notes: list[StaffNoteAnswer]


class RejectedAnswer(msgspec.Struct, frozen=True):
    """A rejected record as it came. `count` is above one if it stands for similar ones that are not stored."""

    at: str
    kind: str
    client: str
    model: str
    index: int
    reason: str
    error: str
    hint: str
    count: int
    record: str


class RejectionsAnswer(msgspec.Struct, frozen=True):
    """How many records of a model were rejected for a reason. Client and model are empty if the records named none."""

    client: str
    model: str
    reason: str
    count: int


class QuarantineAnswer(msgspec.Struct, frozen=True):
    """Rejected records, newest first, and how many there are in all.

    `before` is what to ask with for those before the last one; 0 if there are none.
    """

    records: list[RejectedAnswer]
    rejections: list[RejectionsAnswer]
    before: int
