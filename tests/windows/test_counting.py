"""Counting ticks: every row once, late rows and outcomes added, long windows as sums of base windows."""

import itertools
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from monitor.clock import ManualClock
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.batch import encode, split
from monitor.predictions.log.item_lists import list_text
from monitor.records import Stream, Window
from monitor.store import baselines, outcomes, profiles
from monitor.store import predictions as stored_predictions
from monitor.windows import baseline, codec, counting
from monitor.windows.counting import count_new
from monitor.windows.kernel.count_rows import count
from monitor.windows.profile import merge
from monitor.windows.recount import recount
from monitor.windows.rolling import Rolling, blocks, current_layout
from monitor.windows.round_robin import RoundRobin
from monitor.windows.settings import WindowSettings
from tests.support.log import NOW, STREAM, outcome, prediction, running, send
from tests.support.tables import predictions

SETTINGS = WindowSettings(batches_per_commit=3)
BASE = 60


@pytest.fixture
def log_and_store(tmp_path):
    with running(tmp_path) as both:
        yield both


def rows_at(start: float, minutes: int, rows: int, seed: int = 0) -> pa.RecordBatch:
    """Rows spread evenly over some minutes."""
    batch = predictions(rows, seed)
    times = (start * 1e6 + np.arange(rows) * (minutes * 60e6 / rows)).astype(np.int64)
    return batch.set_column(0, "timestamp", pa.array(times))


def profile_of(store, window, *, settled=NOW + 1e6):
    with store.write() as connection:
        rolling = Rolling(connection, BASE, settled=settled)
        found = rolling.profile(STREAM, window)
        for stream, total in rolling.sums():
            profiles.put(connection, stream, [total], NOW)
        return found


def test_rows_are_counted_once_however_often_the_tick_runs(log_and_store):
    log, store = log_and_store
    log.append(split(STREAM, rows_at(NOW, 10, 1000), BASE))
    touched = count_new(store, SETTINGS, NOW)
    assert [window.start for _, window in touched] == [int(NOW) + 60 * i for i in range(10)]
    assert count_new(store, SETTINGS, NOW) == []
    assert profile_of(store, Window(int(NOW), int(NOW) + 600)).rows == 1000


def test_late_rows_add_to_a_window_that_was_summed_already(log_and_store):
    log, store = log_and_store
    hour = Window(int(NOW), int(NOW) + 3600)
    log.append(split(STREAM, rows_at(NOW, 60, 600), BASE))
    count_new(store, SETTINGS, NOW)
    assert profile_of(store, hour).rows == 600
    log.append(split(STREAM, rows_at(NOW + 120, 1, 50, seed=9), BASE))
    assert count_new(store, SETTINGS, NOW) == [(STREAM, Window(int(NOW) + 120, int(NOW) + 180))]
    assert profile_of(store, hour).rows == 650


def test_a_long_window_is_the_sum_of_its_base_windows_bit_by_bit(log_and_store):
    log, store = log_and_store
    log.append(split(STREAM, rows_at(NOW, 60, 3000), BASE))
    count_new(store, SETTINGS, NOW)
    window = Window(int(NOW) + 420, int(NOW) + 420 + 1800)
    with store.read() as connection:
        layout = current_layout(connection, STREAM)
        singles = [
            codec.decode(stored.blob, layout)
            for stored in profiles.between(connection, STREAM, BASE, window.start, window.end)
        ]
    assert len(singles) == 30
    for _ in range(2):  # made, then read back
        assert profile_of(store, window) == merge(singles)


def test_a_window_is_put_together_from_few_blocks_that_tile_it():
    for start in range(0, 70 * BASE, BASE):
        for minutes in (1, 10, 60, 1440):
            window = Window(start, start + minutes * BASE)
            found = blocks(window, BASE)
            assert [found[0].start, found[-1].end] == [window.start, window.end]
            assert all(a.end == b.start for a, b in itertools.pairwise(found))
            assert len(found) <= 2 * minutes.bit_length()


def test_a_killed_count_leaves_nothing_half_done(log_and_store, monkeypatch):
    log, store = log_and_store
    log.append(split(STREAM, rows_at(NOW, 1, 100), BASE))

    def die(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(profiles, "delete_sums", die)
        with pytest.raises(KeyboardInterrupt):
            count_new(store, SETTINGS, NOW)
    count_new(store, SETTINGS, NOW)
    assert profile_of(store, Window(int(NOW), int(NOW) + 60)).rows == 100


def test_outcomes_restate_the_window_of_their_predictions(log_and_store):
    log, store = log_and_store
    send(
        log, RecordKind.PREDICTIONS, [prediction(id="a", confidence=0.9), prediction(id="b", confidence=0.6)]
    )
    window = Window(int(NOW), int(NOW) + 60)
    assert count_new(store, SETTINGS, NOW) == [(STREAM, window)]
    send(
        log,
        RecordKind.OUTCOMES,
        [outcome(id="b", truth="fraud", timestamp=NOW + 60), outcome(id="nobody", truth="ok")],
    )
    assert count_new(store, SETTINGS, NOW) == [(STREAM, window)]
    send(log, RecordKind.OUTCOMES, [outcome(id="b", truth="fraud", timestamp=NOW + 60)])
    assert count_new(store, SETTINGS, NOW) == []
    part = profile_of(store, window).overall
    assert (part.rows, part.flag("truths"), part.flag("right")) == (2, 1.0, 0.0)
    assert part.column("confidence.wrong").n == 1
    assert part.column("outcome.delay").mean == pytest.approx(60, rel=1e-6)


def test_who_listens_hears_of_each_row_once(log_and_store):
    log, store = log_and_store
    log.append(split(STREAM, rows_at(NOW, 5, 500), BASE))
    heard = []
    count_new(store, SETTINGS, NOW, lambda stream, window, profile: heard.append(profile.rows))
    count_new(store, SETTINGS, NOW, lambda stream, window, profile: heard.append(profile.rows))
    assert sum(heard) == 500


def test_a_new_baseline_has_the_kept_rows_counted_again(log_and_store):
    log, store = log_and_store
    log.append(split(STREAM, rows_at(NOW, 10, 1000), BASE))
    count_new(store, SETTINGS, NOW)
    with store.write() as connection:
        made = baseline.from_period(connection, STREAM, NOW, NOW + 300, NOW)
        assert baseline.save(connection, made, NOW)
        assert not baseline.save(connection, made, NOW)
    window = Window(int(NOW), int(NOW) + 600)
    assert profile_of(store, window).rows == 0  # not comparable yet
    assert recount(store, [STREAM], SETTINGS, BASE, NOW).since == {STREAM: NOW}
    again = recount(store, [STREAM], SETTINGS, BASE, NOW)
    assert (again.since, again.complete) == ({}, {STREAM})
    profile = profile_of(store, window)
    assert profile.rows == 1000
    assert profile.layout.id == made.layout.id
    assert profile.overall.column("features.amount").rows == 1000
    with store.read() as connection:
        again = baseline.load(connection, STREAM)
    assert again is not None
    assert again.profile == made.profile
    assert again.span == Window(int(NOW), int(NOW) + 300)


def test_many_small_batches_of_different_types_count_as_one(log_and_store):
    log, store = log_and_store
    with store.write() as connection:
        made = baseline.from_table(STREAM, pa.table({"x": [1.0, 2.0, 3.0], "y": ["a", "b", "1"]}), NOW)
        baseline.save(connection, made, NOW)
    for features in ({"x": 1, "y": 1}, {"x": "2", "y": "a"}, {"x": True, "y": None}, {"y": "b"}, {"x": "no"}):
        send(log, RecordKind.PREDICTIONS, [prediction(features=features)])
    count_new(store, SETTINGS, NOW)  # three batches at most are read at a time
    part = profile_of(store, Window(int(NOW), int(NOW) + 60)).overall
    x, y = part.column("features.x"), part.column("features.y")
    assert (part.rows, x.n, x.missing, x.unreadable, x.mean) == (
        5,
        3.0,
        2.0,
        1.0,
        pytest.approx(4 / 3, abs=1e-3),
    )
    assert dict(zip(y.column.labels, y.regular.tolist(), strict=True)) == {"1": 1.0, "a": 1.0, "b": 1.0}


@pytest.mark.parametrize("name", ["ranking", "predicted_labels", "outputs"])
def test_long_lists_are_merged_up_to_so_many_bytes(name):
    """Each item takes 440 bytes while it is counted, so a million new ones a minute would take all memory."""
    text, window = list_text([f"item {number}" for number in range(1000)]), Window(int(NOW), int(NOW) + 60)
    rows = pa.RecordBatch.from_pydict({"x": [1.0] * 50, name: [text] * 50})
    batches = [
        stored_predictions.StoredBatch(number, STREAM, window, 50, encode(rows), NOW) for number in range(20)
    ]
    merged = [part.num_rows for _, part in counting._merged_batches(batches)]
    assert sum(merged) == 1000
    assert max(merged) * len(text) <= counting._MERGED_LIST_BYTES + rows.nbytes
    plain = [replace(one, blob=encode(rows.select(["x"]))) for one in batches]
    assert [part.num_rows for _, part in counting._merged_batches(plain)] == [1000]


def test_streams_that_share_a_transaction_are_counted_apart(log_and_store):
    log, store = log_and_store
    streams = [Stream("acme", f"model-{number}") for number in range(20)]
    for number, stream in enumerate(streams):
        log.append(split(stream, rows_at(NOW, 5, 100 + number), BASE))
    heard: dict[Stream, int] = {}
    count_new(store, SETTINGS, NOW, lambda s, _, p: heard.update({s: heard.get(s, 0) + p.rows}))
    assert heard == {stream: 100 + number for number, stream in enumerate(streams)}


def test_while_rows_are_read_and_counted_others_can_write(log_and_store, monkeypatch):
    log, store = log_and_store
    log.append(split(STREAM, rows_at(NOW, 2, 200), BASE))

    def count_while_others_write(*arguments):
        with store.write() as connection:  # would wait for ever inside of a writing transaction
            connection.exec_driver_sql("select 1")
        return count(*arguments)

    monkeypatch.setattr(counting, "count", count_while_others_write)
    assert len(count_new(store, SETTINGS, NOW)) == 2


def test_what_somebody_else_counted_meanwhile_is_not_counted_twice(log_and_store, monkeypatch):
    log, store = log_and_store
    log.append(split(STREAM, rows_at(NOW, 1, 100), BASE))
    heard: list[int] = []

    def somebody_is_faster(*arguments):
        monkeypatch.setattr(counting, "count", count)
        count_new(store, SETTINGS, NOW, lambda *told: heard.append(told[2].rows))
        return count(*arguments)

    monkeypatch.setattr(counting, "count", somebody_is_faster)
    count_new(store, SETTINGS, NOW, lambda *told: heard.append(told[2].rows))
    assert heard == [100]
    assert profile_of(store, Window(int(NOW), int(NOW) + 60)).rows == 100


def test_rows_counted_by_a_layout_that_changed_meanwhile_are_counted_again(log_and_store, monkeypatch):
    log, store = log_and_store
    log.append(split(STREAM, rows_at(NOW, 1, 100), BASE))

    def baseline_is_set(*arguments):
        monkeypatch.setattr(counting, "count", count)
        with store.write() as connection:
            made = baseline.from_table(STREAM, pa.Table.from_batches([predictions(500, 3)]), NOW)
            baseline.save(connection, made, NOW)
        return count(*arguments)

    monkeypatch.setattr(counting, "count", baseline_is_set)
    count_new(store, SETTINGS, NOW)
    profile = profile_of(store, Window(int(NOW), int(NOW) + 60))
    assert profile.rows == 100
    assert profile.overall.column("features.amount").rows == 100


def test_an_hour_is_the_sum_of_its_minutes_after_each_new_one(log_and_store):
    log, store = log_and_store
    for minute in range(70):
        log.append(split(STREAM, rows_at(NOW + 60 * minute, 1, 10 + minute, seed=minute), BASE))
        count_new(store, SETTINGS, NOW)
        end = int(NOW) + 60 * (minute + 1)
        rows = sum(10 + at for at in range(max(0, minute - 59), minute + 1))
        assert profile_of(store, Window(end - 3600, end), settled=end).rows == rows


class OneTurn(RoundRobin):
    """A tick that has time for one transaction."""

    def __init__(self) -> None:
        super().__init__(0.0)


def test_what_happens_now_is_counted_before_a_backlog_and_the_backlog_in_the_end(tmp_path):
    """Outcomes of both are matched, and every profile is the one of a daemon that was never behind."""
    found = []
    for name, is_behind in (("behind", True), ("in time", False)):
        (tmp_path / name).mkdir()
        with running(tmp_path / name, clock=ManualClock(NOW)) as (log, store):
            for minute in (*range(-60, 0), 0):
                at = NOW + minute * 60
                rows = [prediction(id=f"{minute}/{n}", timestamp=at + n, error="timeout") for n in range(5)]
                send(log, RecordKind.PREDICTIONS, rows)
                truths = [outcome(id=f"{minute}/{n}", truth="ok", timestamp=NOW) for n in range(0, 5, 2)]
                send(log, RecordKind.OUTCOMES, truths)
                if not is_behind:
                    count_new(store, SETTINGS, NOW)
            if is_behind:
                (first, *_) = reversed(count_new(store, SETTINGS, NOW, round_robin=OneTurn()))
                assert first == (STREAM, Window(int(NOW), int(NOW) + 60))
                while count_new(store, SETTINGS, NOW, round_robin=OneTurn()):
                    pass
            found.append(profile_of(store, Window(int(NOW) - 3600, int(NOW) + 60)))
            with store.read() as connection:
                assert outcomes.counts(connection, STREAM).matched == 61 * 3
    assert found[0] == found[1]
    assert found[0].rows == 61 * 5


def test_a_new_batch_that_cannot_be_counted_keeps_no_backlog_waiting(tmp_path):
    with running(tmp_path, clock=ManualClock(NOW)) as (log, store):
        for minute in range(-20, 1):
            rows = [prediction(timestamp=NOW + minute * 60 + n) for n in range(5)]
            send(log, RecordKind.PREDICTIONS, rows)
        with store.write() as connection:
            batches = stored_predictions.BATCHES
            connection.execute(batches.update().where(batches.c.start == int(NOW)).values(blob=b"no rows"))
        while count_new(store, SETTINGS, NOW, round_robin=OneTurn()):
            pass
        assert profile_of(store, Window(int(NOW) - 3600, int(NOW) + 60)).rows == 100
        assert store.faults.active() == []


def test_a_backlog_takes_no_more_of_a_tick_than_its_share_and_every_stream_has_its_turn(log_and_store):
    """A second passes with each transaction; eight streams share one."""
    log, store = log_and_store
    streams = [Stream("acme", f"model-{number:02}", "production") for number in range(24)]
    for stream in streams:
        log.append(split(stream, rows_at(NOW, 9, 90), BASE))
    seconds = itertools.count()
    turns = RoundRobin(30.0, lambda: float(next(seconds)), again=4.0)
    ticks = []
    for _ in range(4):
        touched = count_new(store, SETTINGS, NOW, round_robin=turns)
        ticks.append([sum(stream == one for one, _ in touched) for stream in streams])
    assert ticks[0] == [6] * 8 + [3] * 16
    assert all(sum(counts) for counts in ticks[:3])
    assert np.sum(ticks, axis=0).tolist() == [9] * 24


def test_without_a_baseline_few_windows_are_held_in_memory_and_names_of_buckets_once(
    log_and_store, monkeypatch
):
    """A long past is counted before its baseline is there: each window then has a tally of each feature."""
    log, store = log_and_store
    log.append(split(STREAM, rows_at(NOW, 20, 2000), BASE))
    held, commit = [], counting._commit

    def noted(connection, counted, now):
        held.extend(list(one.added.values()) for one in counted)
        commit(connection, counted, now)

    monkeypatch.setattr(counting, "_commit", noted)
    count_new(store, WindowSettings(batches_per_commit=100), NOW)
    assert [len(windows) for windows in held] == [4] * 5
    names: dict[str, set[int]] = {}
    for profile in itertools.chain(*held):
        for tally in profile.overall.tallies.values():
            for name in tally:
                if name.startswith("bucket "):
                    names.setdefault(name, set()).add(id(name))
    assert len(names) > 20
    assert all(len(objects) == 1 for objects in names.values())


def test_a_stream_whose_baseline_cannot_be_read_does_not_keep_the_others_from_being_counted(log_and_store):
    log, store = log_and_store
    other = replace(STREAM, model="other")
    with store.write() as connection:
        baseline.save(connection, baseline.from_table(STREAM, pa.table({"x": np.arange(99.0)}), NOW), NOW)
        connection.execute(baselines.BASELINES.update().values(layout="0" * 16))
    for stream in (STREAM, other):
        log.append(split(stream, rows_at(NOW, 1, 10), BASE))
    assert {stream for stream, _ in count_new(store, SETTINGS, NOW)} == {other}
    assert [fault.subject for fault in store.faults.active()] == [
        f"{STREAM}: rows that cannot be counted",
        f"{STREAM}: counting",
    ]
