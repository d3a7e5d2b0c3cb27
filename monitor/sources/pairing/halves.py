"""Pairs the request and the response of a call that arrived as two messages.

Halves that wait for each other are stored with the position of their source, so that no crash loses one. A half that
comes again is recognized: while its call waits by the stored half, afterwards by the key under which the call's records
were stored. Deciding is pure; `monitor.sources.pairing.waiting` reads and writes.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from monitor.sources.formats.format import HalfCall, Side
from monitor.store.half_calls import StoredHalf
from monitor.store.idempotency import RequestKey

MOST_WAITING = 50_000
"""Halves of one source that wait; the oldest of more are given up."""
_OTHER_CALL = "another call has the same id {call!r}"
_TOO_LATE = "the {other} of call {call!r} was given up before this {side} arrived"
_ID_HINT = "have the sender give each call its own id"
_LATE_HINT = "raise `pair_within` of the source"


@dataclass(frozen=True)
class Half:
    """A half with where it was: `place` in the source, `sent_at` and `received_at` in seconds since the epoch.

    `row` is its row where it waits in the store.
    """

    half: HalfCall
    place: str
    received_at: float
    sent_at: float | None = None
    row: StoredHalf | None = None

    @cached_property
    def call(self) -> str:
        """A digest of the call's id, which may have any length."""
        return hashlib.sha256(self.half.call.encode(errors="surrogatepass")).hexdigest()[:40]

    @cached_property
    def content(self) -> bytes:
        """What identifies the half, as JSON."""
        return json.dumps(msgspec.to_builtins(self.half), sort_keys=True).encode()

    def request(self, source: str) -> RequestKey:
        """The key by which this half is recognized when it comes again."""
        return RequestKey(
            key_of(source, self.call, self.half.side), hashlib.sha256(self.content).digest()[:16]
        )

    def stored(self) -> StoredHalf:
        """As a row."""
        about = {"half": msgspec.to_builtins(self.half), "place": self.place, "sent_at": self.sent_at}
        content = zlib.compress(json.dumps(about).encode(), 1)
        return StoredHalf(self.call, self.half.side.value, self.received_at, content)


def key_of(source: str, call: str, side: Side) -> bytes:
    """The key of a half, as long as those of other requests."""
    return hashlib.sha256(f"half\0{source}\0{side.value}\0{call}".encode()).digest()[:16]


def of_row(row: StoredHalf) -> Half | None:
    """A waiting half; None if its row is damaged."""
    try:
        about = json.loads(zlib.decompress(row.content))
        half = msgspec.convert(about["half"], HalfCall)
        return Half(half, str(about["place"]), row.received_at, about["sent_at"], row)
    except (ValueError, TypeError, KeyError, zlib.error, RecursionError):  # msgspec's error is a ValueError
        return None


@dataclass(frozen=True)
class RefusedHalf:
    """A half that cannot be paired: why, and what helps."""

    half: Half
    error: str
    hint: str


@dataclass
class Pairing:
    """What becomes of halves: calls with both of them, halves that wait from now on, and halves that are refused.

    `taken` are the rows of halves that wait no longer.
    """

    calls: list[tuple[Half | None, Half | None]] = field(default_factory=list)
    kept: list[Half] = field(default_factory=list)
    refused: list[RefusedHalf] = field(default_factory=list)
    taken: list[StoredHalf] = field(default_factory=list)


def pair(
    source: str, arrived: Sequence[Half], waiting: Sequence[Half], known: Mapping[bytes, bytes]
) -> Pairing:
    """Pair what arrived with what waits and with each other.

    `known` are the keys of halves that became records or were given up, each with the digest of its content. The same
    half again is dropped; another half of the same call and side is refused.
    """
    result = Pairing()
    sides: dict[str, dict[Side, Half]] = {}
    for one in waiting:
        sides.setdefault(one.call, {})[one.half.side] = one
    for one in arrived:
        side, name = one.half.side, one.half.call[:200]
        present = sides.setdefault(one.call, {})
        request = one.request(source)
        before = known.get(request.key)
        if before is None and side in present:
            before = present[side].request(source).content
        if before is not None:
            if before != request.content:
                result.refused.append(RefusedHalf(one, _OTHER_CALL.format(call=name), _ID_HINT))
        elif key_of(source, one.call, side.other) in known:
            late = _TOO_LATE.format(other=side.other.value, call=name, side=side.value)
            result.refused.append(RefusedHalf(one, late, _LATE_HINT))
        else:
            present[side] = one
            if len(present) == len(Side):
                result.calls.append((present[Side.REQUEST], present[Side.RESPONSE]))
    paired = {one.call for call in result.calls for one in call if one is not None}
    for call, present in sides.items():
        if call in paired:
            result.taken += [one.row for one in present.values() if one.row is not None]
        else:
            result.kept += [one for one in present.values() if one.row is None]
    return result


def given_up(
    rows: Sequence[StoredHalf],
    total: int,
    before: float,
    others: Sequence[StoredHalf] = (),
    *,
    keeps_requests: bool,
) -> tuple[Pairing, list[StoredHalf]]:
    """Which of the oldest waiting halves wait no longer, and the rows that are damaged.

    `total` halves wait; those received before `before` are given up, and the oldest beyond `MOST_WAITING`. A response
    becomes a record without its request. A request does with `keeps_requests`, and is refused otherwise. `others` are
    younger halves of the same calls, which two daemons stored at the same time.
    """
    result = Pairing()
    damaged: list[StoredHalf] = []
    old = [row for place, row in enumerate(rows) if row.received_at < before or place < total - MOST_WAITING]
    chosen = {row.call for row in old}
    old += [row for row in others if row.call in chosen and row not in old]
    halves: dict[str, dict[Side, Half]] = {}
    for row in old:
        half = of_row(row)
        if half is None:
            damaged.append(row)
        else:
            halves.setdefault(row.call, {})[half.half.side] = half
    for present in halves.values():
        request, response = present.get(Side.REQUEST), present.get(Side.RESPONSE)
        if response is not None or keeps_requests:
            result.calls.append((request, response))
        elif request is not None:
            reason = f"no response to call {request.half.call[:200]!r} arrived"
            result.refused.append(RefusedHalf(request, reason, _LATE_HINT))
    result.taken = old
    return result, damaged
