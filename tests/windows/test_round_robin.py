"""Streams take turns where a tick has no time for all of them."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.records import Stream
from monitor.windows.round_robin import MOST_URGENT, RoundRobin

STREAMS = [Stream("acme", f"model-{number:02}") for number in range(20)]


class Elapsed:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@given(st.lists(st.sets(st.sampled_from(STREAMS), min_size=1), min_size=1, max_size=30), st.integers(1, 5))
def test_nobody_waits_longer_than_it_takes_to_serve_all_the_others_once(
    ticks: list[set[Stream]], most: int
) -> None:
    round_robin = RoundRobin(1.0, Elapsed())
    waited: dict[Stream, int] = {}
    for waiting in ticks:
        order = round_robin.start_tick(waiting)
        assert sorted(order) == sorted(waiting)
        served = order[:most]
        round_robin.mark_served(served)
        for stream in waiting:
            waited[stream] = 0 if stream in served else waited.get(stream, 0) + 1
        waited = {stream: ticks for stream, ticks in waited.items() if stream in waiting}
        assert max(waited.values()) <= -(-len(STREAMS) // most)


def test_a_turn_is_over_when_its_time_is() -> None:
    elapsed = Elapsed()
    round_robin = RoundRobin(5.0, elapsed)
    round_robin.start_tick(STREAMS)
    assert not round_robin.is_time_up()
    elapsed.at = 5.0
    assert round_robin.is_time_up()
    round_robin.start_tick(STREAMS)
    assert not round_robin.is_time_up()


def test_streams_that_receive_records_now_come_before_a_backlog_and_the_others_keep_their_turn() -> None:
    round_robin = RoundRobin(1.0, Elapsed())
    live = STREAMS[-1]
    waited = dict.fromkeys(STREAMS[:-1], 0)
    for _ in range(len(STREAMS)):
        order = round_robin.start_tick(STREAMS, [[live]])
        assert order[0] == live
        round_robin.mark_served(order[:3])
        waited = {s: 0 if s in order[:3] else ticks + 1 for s, ticks in waited.items()}
        assert max(waited.values()) <= len(STREAMS) // 2


def test_of_more_urgent_streams_than_come_before_their_turn_others_do_in_the_next_tick() -> None:
    many = [Stream("acme", f"m{number:04}") for number in range(2 * MOST_URGENT)]
    turns = RoundRobin(1.0, Elapsed())
    served = []
    for _ in range(2):
        served.append(turns.start_tick(many, [many])[:MOST_URGENT])
        turns.mark_served(served[-1])
    assert served == [many[:MOST_URGENT], many[MOST_URGENT:]]


@given(st.sets(st.sampled_from(STREAMS)), st.sets(st.sampled_from(STREAMS)), st.integers(4, 20))
def test_the_first_group_comes_first_and_no_number_of_live_streams_keeps_the_others_waiting(
    critical: set[Stream], live: set[Stream], most: int
) -> None:
    turns = RoundRobin(1.0, Elapsed())
    others = set(STREAMS) - critical - live
    seen: set[Stream] = set()
    for _ in range(len(STREAMS) + 1):
        order = turns.start_tick(STREAMS, [critical, live])
        assert sorted(order) == STREAMS
        assert set(order[: len(critical)]) == critical
        served = order[: len(critical) + most]
        turns.mark_served(served)
        seen |= set(served)
    assert others <= seen, "each was served in the time that a quarter of each tick takes for all"


def test_each_ends_with_the_time_serves_the_urgent_first_and_goes_on_where_it_ended() -> None:
    elapsed = Elapsed()
    turns = RoundRobin(3.0, elapsed)
    urgent = STREAMS[-1]
    served: list[list[Stream]] = []
    for _ in range(10):
        served.append([])
        for stream in turns.serve(STREAMS, [[urgent]]):
            served[-1].append(stream)
            elapsed.at += 1.0
    assert all(tick[0] == urgent and len(tick) == 3 for tick in served)
    assert [stream for tick in served for stream in tick[1:]] == [*STREAMS[:-1], STREAMS[0]]
    assert len(list(RoundRobin(0.0, elapsed).serve(STREAMS, at_least=4))) == 4


def test_a_tick_has_more_time_for_many_streams() -> None:
    for waiting, seconds in ((1000, 4.0), (2000, 8.0), (9000, 20.0)):
        moments = iter([0.0, seconds - 0.1, seconds])
        turns = RoundRobin(4.0, moments.__next__, stretch=5.0)
        turns.start_tick([Stream("acme", f"model-{number}") for number in range(waiting)])
        assert not turns.is_time_up()
        assert turns.is_time_up()
