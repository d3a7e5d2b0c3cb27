"""What is read of many streams at once is what is read of each of them, row by row and bit by bit."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select

from monitor.predictions.log.batch import split
from monitor.predictions.log.batching import new_batch
from monitor.predictions.outcomes import join
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream, Window
from monitor.store import (
    baselines,
    definitions,
    drift,
    feature_importance,
    lake_profiles,
    outcomes,
    predictions,
    profile_versions,
    profiles,
    scattered_batches,
    uncounted_batches,
)
from monitor.store.db import Store
from monitor.store.definitions import Definition
from monitor.store.drift import StoredCalibration, StoredState
from monitor.store.feature_importance import LearnedImportance
from monitor.store.migrate import migrate
from monitor.store.outcomes import NewOutcomes
from monitor.store.profiles import StoredProfile
from monitor.windows import baseline, codec
from monitor.windows.baseline_from_table import from_table
from monitor.windows.kernel.count_rows import count
from monitor.windows.rolling import Rolling, StoredBlocks
from tests.bench.tables import table
from tests.support.postgresql import postgresql
from tests.workers.conftest import MINUTE, START, rows_of

KNOWN = [Stream("acme", f"model-{number}") for number in range(7)]
NONE = Stream("acme", "never heard of")
ALL = [*KNOWN[::-1], NONE]
NOW = float(START)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Streams that have something, or much, or nothing of each table."""
    with postgresql() as server:
        opened = Store(server.url)
        migrate(opened)
        made = [
            from_table(stream, table(60, 2, place, moved=False), NOW) for place, stream in enumerate(KNOWN)
        ]
        with opened.write() as connection:
            for place, stream in enumerate(KNOWN):
                for minute in range(place):
                    batches = split(stream, rows_of(NOW + 60 * minute, minute), MINUTE)
                    made_of = [new_batch(one, PredictionSettings()) for one in batches]
                    predictions.put(connection, made_of, NOW)
                if place > 4:  # single posts that were counted and matched
                    for digest in (b"a" * 8, b"b" * 8):
                        posted = [new_batch(one, PredictionSettings(), digest) for one in batches]
                        predictions.put(connection, posted, NOW)
            settled = connection.scalars(
                select(predictions.BATCHES.c.id).where(func.length(predictions.BATCHES.c.digest) == 8)
            ).all()
            predictions.mark_counted(connection, settled)
            predictions.mark_searched(connection, settled)
            for place, (stream, one) in enumerate(zip(KNOWN[:5], made, strict=False)):
                baseline.save(connection, one, NOW)
                profile_versions.advance(connection, stream, NOW)
                shares = {f"n{place}": 0.5}
                learned = LearnedImportance(NOW, one.layout.id, "baseline", 60, shares)
                feature_importance.put(connection, stream, learned, NOW)
                state = StoredState(int(NOW), b"state", b"latest")
                drift.put_state(connection, stream, state, NOW)
                calibration = StoredCalibration(NOW, one.layout.id, 3600, 0, 7200, 2, False, "", "", b"x")
                drift.put_calibration(connection, stream, calibration, NOW)
                definition = Definition("acme", stream.model, "metric", f"own_{place}", 0, "{}")
                definitions.put(connection, [definition])
                batch = NewOutcomes(stream, place + 1, bytes([place]), b"i" * 8, b"blob" * 30)
                outcomes.put_back(connection, batch, NOW + place, waiting=bool(place % 2))
                stored = StoredProfile(Window(START, START + 3600), one.layout.id, 5, b"lake")
                lake_profiles.put(connection, stream, stored, NOW)
                for minute in range(0, 130, place + 1):
                    counted = codec.encode(count(rows_of(NOW, minute).slice(0, minute + 1), one.layout))
                    window = Window(START + 60 * minute, START + 60 * minute + 60)
                    total = StoredProfile(window, one.layout.id, minute + 1, counted)
                    profiles.put(connection, stream, [total], NOW)
        yield opened
        opened.close()


def _unsearched(connection: Connection, stream: Stream) -> object:
    return predictions.unsearched(connection, stream)


def _pending(connection: Connection, stream: Stream) -> object:
    new = outcomes.pending(connection, stream, waiting=False, most_rows=10_000)
    return new, outcomes.pending(connection, stream, waiting=True, limit=10_000)


def _importance(connection: Connection, stream: Stream) -> object:
    of = baseline.load(connection, stream)
    return None if of is None else feature_importance.get(connection, stream, of.layout.id)


def _importance_ahead(connection: Connection, some: Sequence[Stream]) -> None:
    baseline.load_ahead(connection, some)
    known = {one: of.layout.id for one in some if (of := baseline.load(connection, one)) is not None}
    feature_importance.read_ahead(connection, known)


HOUR = Window(START, START + 3600)

READ: dict[
    str, tuple[Callable[[Connection, Sequence[Stream]], object], Callable[[Connection, Stream], Any]]
] = {
    "versions": (profile_versions.read_ahead, profile_versions.read),
    "digests": (baselines.read_digests_ahead, baselines.current_digest),
    "uncounted": (uncounted_batches.read_ahead, lambda c, one: uncounted_batches.oldest(c, one, 500, 4)),
    "unsearched": (predictions.read_unsearched_ahead, _unsearched),
    "outcomes": (join.read_ahead, _pending),
    "definitions": (definitions.read_ahead, lambda c, one: definitions.of_model(c, one.client, one.model)),
    "importance": (_importance_ahead, _importance),
    "lake": (lake_profiles.read_extents_ahead, lake_profiles.extent),
    "drift": (drift.read_ahead, lambda c, one: (drift.calibration(c, one), drift.state(c, one))),
    "profiles": (
        lambda c, some: profiles.read_ahead(c, {one: [Window(START, START + 60), HOUR] for one in some}),
        lambda c, one: (profiles.get(c, one, Window(START, START + 60)), profiles.get(c, one, HOUR)),
    ),
    "scattered": (
        lambda c, some: scattered_batches.read_ahead(c, some, HOUR, NOW + 9e3),
        lambda c, one: scattered_batches.windows(c, one, HOUR, NOW + 9e3),
    ),
    "starts": (
        lambda c, some: profiles.read_starts_ahead(c, dict.fromkeys(some, HOUR), 60),
        lambda c, one: profiles.starts(c, one, 60, HOUR.start, HOUR.end),
    ),
}


@pytest.mark.parametrize("what", READ)
def test_what_is_read_ahead_is_what_is_read_of_each_and_of_each_nothing_is_read_again(
    store: Store, what: str
) -> None:
    ahead, read = READ[what]
    with store.read() as connection:
        alone = {stream: read(connection, stream) for stream in ALL}
    assert len({repr(one) for one in alone.values()}) > 1, "they differ"
    statements: list[str] = []
    with store.read() as connection:
        ahead(connection, ALL)
        event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2]))
        together = {stream: read(connection, stream) for stream in KNOWN}
        assert statements == []
        together[NONE] = read(connection, NONE)
    assert together == alone


def test_what_was_read_ahead_is_known_on_this_connection_only(store: Store) -> None:
    stream = KNOWN[6]
    with store.read() as connection:
        profile_versions.read_ahead(connection, KNOWN)
        with store.write() as other:
            raised = profile_versions.advance(other, stream, NOW)
            assert profile_versions.read(other, stream) == raised
        assert profile_versions.read(connection, stream) == raised - 1, "what stood when it was read"
    with store.read() as connection:
        assert profile_versions.read(connection, stream) == raised


@pytest.mark.parametrize("of_one", [profile_versions.advance, profile_versions.hold])
def test_versions_raised_together_are_those_raised_alone(
    store: Store, of_one: Callable[[Connection, Stream, float], int]
) -> None:
    by = {
        profile_versions.advance: profile_versions.advance_some,
        profile_versions.hold: profile_versions.hold_for_streams,
    }
    with store.read() as connection:
        before = {stream: profile_versions.read(connection, stream) for stream in KNOWN}
    with store.write() as connection:
        raised = by[of_one](connection, KNOWN, NOW)
    more = 1 if of_one is profile_versions.advance else 0
    assert raised == {stream: number + more for stream, number in before.items()}
    with store.write() as connection:
        assert {stream: of_one(connection, stream, NOW) - more for stream in KNOWN} == raised


def test_sums_of_blocks_that_were_read_together_are_those_of_each_stream(store: Store) -> None:
    windows = [
        Window(START + 60 * at, START + 60 * (at + length)) for at in (0, 7, 64) for length in (1, 10, 60)
    ]
    windows += [
        Window(START + 30, START + 60),
        Window(START + 570, START + 600),
    ]  # shorter than a base window
    some = KNOWN[:5]
    with store.read() as connection:
        once = Rolling(connection, 60, settled=NOW + 1e6)
        alone = {(one, window): once.profile(one, window) for one in some for window in windows}
    with store.write() as connection:  # some sums are stored, others are not
        stored = [(stream, total) for stream, total in once.sums()][::2]
        profiles.put_for_streams(connection, {one: [t for s, t in stored if s == one] for one in some}, NOW)
    with store.read() as connection:
        wanted = dict.fromkeys(some, windows)
        reads: list[str] = []
        read = StoredBlocks(connection, 60, wanted)
        rolling = Rolling(connection, 60, settled=NOW + 1e6, read=read)
        event.listen(connection, "before_cursor_execute", lambda *given: reads.append(given[2]))
        together = {key: rolling.profile(*key) for key in alone}
        assert not [one for one in reads if "FROM profiles" in one]
        beyond = Window(START - 3600, START + 3600)
        assert codec.encode(rolling.profile(some[0], beyond)) == codec.encode(
            once_more(store, some[0], beyond)
        )
    assert {key: codec.encode(one) for key, one in together.items()} == {
        key: codec.encode(one) for key, one in alone.items()
    }


def once_more(store: Store, stream: Stream, window: Window) -> Any:
    """The profile of a window, by itself."""
    with store.read() as connection:
        return Rolling(connection, 60, settled=NOW + 1e6).profile(stream, window)


def test_sums_to_delete_are_those_that_cover_the_changed_window(store: Store) -> None:
    changed = {KNOWN[0]: [Window(START + 60, START + 120)], KNOWN[1]: [Window(START + 240, START + 300)]}
    lengths = [60 << n for n in range(8)]
    with store.write() as connection:
        layout = "x" * 16
        for stream in KNOWN[:3]:
            windows = [Window(s // n * n, s // n * n + n) for n in lengths for s in (START, START + 300)]
            rows = [StoredProfile(window, layout, 1, b"sum") for window in windows]
            profiles.put(connection, stream, rows, NOW)
        before = {stream: keys(connection, stream) for stream in KNOWN[:3]}
        profiles.delete_sums(connection, changed)
        after = {stream: keys(connection, stream) for stream in KNOWN[:3]}
    for stream in KNOWN[:3]:
        gone = {
            one
            for one in before[stream]
            for window in changed.get(stream, ())
            if one.seconds > 60 and one.start <= window.start and window.end <= one.end
        }
        assert before[stream] - after[stream] == gone
        assert bool(gone) == (stream in changed)


def keys(connection: Connection, stream: Stream) -> set[Window]:
    """The windows and sums with a stored profile."""
    return {
        Window(start, start + seconds)
        for seconds in (60 << n for n in range(8))
        for start in profiles.starts(connection, stream, seconds, 0, 2**40)
    }
