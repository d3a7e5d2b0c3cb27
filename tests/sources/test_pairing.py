"""Each call becomes a record once, however its halves arrive: in any order, in any batches, several times."""

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sources.formats.format import HalfCall, Side
from monitor.sources.pairing import halves
from monitor.sources.pairing.halves import Half
from monitor.store.half_calls import StoredHalf
from tests.support.thorough import examples

SOURCE, NOW = "orders", 1_790_000_000.0
CALLS = ("a", "b", "\u202e\ud800'\"\r\n" * 30, "x" * 10_000)


def half(call: str, side: Side, rows: object = 1, at: float = NOW) -> Half:
    return Half(HalfCall(call, side, [rows]), "place", at)


class Ledger:
    """What the store would hold: waiting rows, keys of what was stored, and the calls that became records."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], StoredHalf] = {}
        self.known: dict[bytes, bytes] = {}
        self.calls: list[tuple[Half | None, Half | None]] = []
        self.refused: list[halves.RefusedHalf] = []

    def deliver(self, arrived: list[Half]) -> None:
        waiting = [one for row in self.rows.values() if (one := halves.of_row(row)) is not None]
        self._settle(halves.pair(SOURCE, arrived, waiting, self.known))

    def give_up(self, before: float, *, keeps_requests: bool = False) -> None:
        rows = sorted(self.rows.values(), key=lambda row: row.received_at)
        result, damaged = halves.given_up(rows, len(rows), before, keeps_requests=keeps_requests)
        assert not damaged
        self._settle(result)

    def _settle(self, result: halves.Pairing) -> None:
        for row in result.taken:
            del self.rows[row.call, row.side]
        for one in result.kept:
            assert (one.call, one.half.side) not in self.rows
            self.rows[one.call, one.half.side] = one.stored()
        for call in result.calls:
            for one in call:
                if one is not None:
                    self._remember(one)
        for refused in result.refused:
            if refused.half.row is not None:
                self._remember(refused.half)
        self.calls += result.calls
        self.refused += result.refused

    def _remember(self, one: Half) -> None:
        request = one.request(SOURCE)
        self.known[request.key] = request.content


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(CALLS), st.sampled_from(list(Side)), st.booleans()), max_size=30))
def test_each_call_once_in_any_order_and_any_batches(arrivals: list[tuple[str, Side, bool]]) -> None:
    ledger, batch = Ledger(), []
    for call, side, ends_batch in arrivals:
        batch.append(half(call, side))
        if ends_batch:
            ledger.deliver(batch)
            batch = []
    ledger.deliver(batch)
    sent: Mapping[str, set[Side]] = {call: {s for c, s, _ in arrivals if c == call} for call in CALLS}
    paired = sorted(request.half.call for request, response in ledger.calls if request and response)
    assert paired == sorted(call for call, sides in sent.items() if len(sides) == 2)
    assert len(ledger.rows) == sum(len(sides) == 1 for sides in sent.values())
    assert not ledger.refused


def test_a_call_with_the_id_of_another_is_told_whether_that_one_waits_or_is_stored() -> None:
    ledger = Ledger()
    ledger.deliver([half("a", Side.REQUEST, 1), half("a", Side.REQUEST, 2)])
    assert [one.error for one in ledger.refused] == ["another call has the same id 'a'"]
    ledger.deliver([half("a", Side.RESPONSE)])
    ledger.deliver([half("a", Side.RESPONSE, 9), half("a", Side.REQUEST, 3), half("a", Side.REQUEST, 1)])
    assert len(ledger.refused) == 3
    assert len(ledger.calls) == 1


def test_what_waits_too_long_is_told_and_a_late_half_as_well() -> None:
    ledger = Ledger()
    ledger.deliver([half("a", Side.REQUEST), half("b", Side.RESPONSE), half("c", Side.REQUEST, at=NOW + 9)])
    ledger.give_up(NOW + 1)
    assert [one.error for one in ledger.refused] == ["no response to call 'a' arrived"]
    assert [(request, response and response.half.call) for request, response in ledger.calls] == [(None, "b")]
    assert len(ledger.rows) == 1
    ledger.deliver([half("a", Side.RESPONSE), half("b", Side.REQUEST), half("a", Side.REQUEST)])
    assert [one.error for one in ledger.refused[1:]] == [
        "the request of call 'a' was given up before this response arrived",
        "the response of call 'b' was given up before this request arrived",
    ]
    ledger.give_up(NOW + 10, keeps_requests=True)
    assert ledger.calls[-1][0] is not None
    assert ledger.calls[-1][1] is None


def test_halves_that_two_daemons_stored_are_paired_when_they_are_old() -> None:
    ledger = Ledger()
    for side in Side:
        one = half("a", side)
        ledger.rows[one.call, side] = one.stored()
    ledger.give_up(NOW + 1)
    ((request, response),) = ledger.calls
    assert request
    assert response
    assert not ledger.refused


def test_the_oldest_of_too_many_are_given_up() -> None:
    rows = [half(str(n), Side.REQUEST, at=NOW + n).stored() for n in range(5)]
    result, _ = halves.given_up(rows, halves.MOST_WAITING + 2, 0.0, keeps_requests=False)
    assert [one.half.half.call for one in result.refused] == ["0", "1"]


def test_a_damaged_row_is_told() -> None:
    good = half("a", Side.REQUEST).stored()
    for content in (b"", b"x", good.content[:-3], b"\x78\x9c\x03\x00\x00\x00\x00\x01"):
        row = StoredHalf(good.call, good.side, NOW, content)
        assert halves.of_row(row) is None
        result, damaged = halves.given_up([row], 1, NOW + 1, keeps_requests=False)
        assert damaged == [row] == result.taken
