"""Windows that end together share blocks of base windows: each is decoded once, and the sums are the same."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.records import Stream, Window
from monitor.store import profiles
from monitor.store.db import Store
from monitor.windows import baseline, codec, rolling
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.counting import add_to_window
from monitor.windows.kernel.count_rows import count
from monitor.windows.profile import merge
from monitor.windows.rolling import Rolling
from tests.bench.tables import table
from tests.support.log import running

STREAM, MINUTE, MINUTES = Stream("acme", "churn"), 60, 70
START = 1_800_000_000 - 1_800_000_000 % 3600


@pytest.fixture(scope="module")
def known() -> Baseline:
    return baseline.from_table(STREAM, table(500, 3, 0, moved=False), START)


@pytest.fixture
def store(tmp_path: Path, known: Baseline) -> Iterator[Store]:
    """Seventy minutes, each with rows of its own, and the sums that an hour needs."""
    with running(tmp_path) as (_, opened):
        with opened.write() as connection:
            baseline.save(connection, known, START)
            for number in range(MINUTES):
                add_to_window(connection, STREAM, minute(number), counted(known, number), START)
        with opened.read() as connection:
            once = Rolling(connection, MINUTE, settled=last(1).end)
            once.profile(STREAM, last(60))
            sums = [total for _, total in once.sums()]
        with opened.write() as connection:
            profiles.put(connection, STREAM, sums, START)
        yield opened


def minute(number: int) -> Window:
    return Window(START + number * MINUTE, START + (number + 1) * MINUTE)


def last(minutes: int) -> Window:
    return Window(START + (MINUTES - minutes) * MINUTE, START + MINUTES * MINUTE)


def counted(known: Baseline, number: int):
    rows = table(number + 1, 3, number, moved=False).combine_chunks().to_batches()[0]
    return count(rows.rename_columns([f"features.{name}" for name in rows.schema.names]), known.layout)


def test_a_block_of_several_windows_is_decoded_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: Counter[bytes] = Counter()
    decode = codec.decode
    monkeypatch.setattr(codec, "decode", lambda blob, layout: decoded.update([blob]) or decode(blob, layout))
    with store.read() as connection:
        baseline.load(connection, STREAM)
        decoded.clear()
        shared = Rolling(connection, MINUTE, settled=last(1).end)
        for minutes in (1, 2, 10, 60):
            shared.profile(STREAM, last(minutes))
    assert decoded
    assert set(decoded.values()) == {1}


@pytest.mark.parametrize("kept", [1, 2, 3, 16])
def test_windows_are_the_sums_of_their_minutes_however_few_blocks_are_kept(
    store: Store, known: Baseline, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(rolling, "_DECODED", kept)
    with store.read() as connection:
        shared = Rolling(connection, MINUTE, settled=last(1).end)
        for minutes in (1, 3, 10, 60, 7, 59, 10, 70, 60):
            expected = merge([counted(known, MINUTES - number - 1) for number in range(minutes)])
            assert codec.encode(shared.profile(STREAM, last(minutes))) == codec.encode(expected)
            assert len(shared._decoded) <= kept
