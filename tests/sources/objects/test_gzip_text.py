"""Compressed objects: their lines are read once, whatever the sizes of members and parts, up to any damage."""

import gzip
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sources.objects import gzip_text
from monitor.sources.objects.gzip_text import GzipText, next_unzipped
from monitor.sources.objects.parts import Position
from monitor.sources.objects.stores import StoredObject
from monitor.store import quarantine
from monitor.store.db import Store
from tests.sources.objects.test_objects import old, running, section
from tests.support.source_checks import records, stored
from tests.support.thorough import examples
from tests.support.waiting import until


def reader(content: bytes) -> GzipText:
    return GzipText(lambda _name, offset, most: content[offset : offset + most])


def lines_of(content: bytes) -> tuple[list[bytes], list[str]]:
    """All lines of an object, part by part, and its errors."""
    text, position, rng = reader(content), Position(0, "m", 1), random.Random(1)
    found, errors = b"", []
    while (part := next_unzipped(text, StoredObject("a.gz", len(content), 0.0), position)) is not None:
        assert part.position.offset > position.offset
        found, position = found + part.body, Position.parsed(str(part.position))
        errors += [part.error] if part.error else []
        text = rng.choice([text, reader(content)])  # also after a restart
    return found.splitlines(), errors


@settings(max_examples=examples(40), deadline=None)
@given(
    st.lists(
        st.binary(max_size=40).map(lambda one: one.replace(b"\n", b"").replace(b"\r", b"") + b"x"),
        max_size=30,
    ),
    st.integers(1, 9),
)
def test_every_line_comes_once(lines: list[bytes], members: int) -> None:
    text = b"\n".join(lines)
    cuts = [len(text) * number // members for number in range(members + 1)]
    content = b"".join(gzip.compress(text[a:b]) for a, b in pairwise(cuts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gzip_text, "PART", 64)
        patch.setattr(gzip_text, "_CHUNK", 16)
        patch.setattr(gzip_text, "_MOST_PIECE", 32)
        assert lines_of(content) == (text.splitlines(), [])


@pytest.mark.parametrize(("cut", "error"), [(-4, "the gzip is truncated"), (-200, "the gzip is truncated")])
def test_the_lines_before_damage_are_read_and_the_damage_is_told_once(cut: int, error: str) -> None:
    lines = [b"%d %d" % (number, number**5 * 7919 % 1_000_003) for number in range(500)]
    found, errors = lines_of(gzip.compress(b"\n".join(lines) + b"\n")[:cut])
    assert errors == [error]
    assert found == lines[: len(found)]
    assert len(found) > 300
    assert lines_of(b"no gzip") == ([], ["it is not valid gzip"])
    assert lines_of(gzip.compress(b"a\n") + b"junk") == ([b"a"], ["it is not valid gzip"])


def test_a_line_without_an_end_and_a_bomb_take_no_more_memory_than_they_may() -> None:
    content = gzip.compress(b"x" * 40_000_000 + b"\nlast")
    found, errors = lines_of(content)
    assert found[-1] == b"last"
    assert "it has a line of more than 16,000,000 bytes" in errors


def test_compressed_captures_of_a_folder_are_read_once_they_are_complete(
    tmp_path: Path, store: Store
) -> None:
    whole, cut = tmp_path / "a.jsonl.gz", tmp_path / "b.json.gz"
    whole.write_bytes(gzip.compress(b"\n".join(records(0, 30))))
    cut.write_bytes(gzip.compress(b"\n".join(records(30, 31)))[:-3])
    with running(store, section(str(tmp_path))) as source:
        until(
            lambda: source.state().waiting == 0 or source.state().oldest_seconds is not None, "it has looked"
        )
        assert stored(store) == 0
        old(whole)
        old(cut)
        until(lambda: stored(store) == 30, "the whole one is stored")
        until(lambda: source.state().rejected == 1, "the cut one is told")
    with store.read() as connection:
        (told,) = quarantine.latest(connection, None, 5)
    assert "b.json.gz, from byte 0 of its text on: the gzip is truncated" in told.rejected.error
    with running(store, section(str(tmp_path))) as source:
        until(lambda: source.state().waiting == 0, "nothing is left")
    assert stored(store) == 30
