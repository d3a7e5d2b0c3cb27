"""What is written down of an outage says nothing to whoever steals it, and is read with the key of the store."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import StoreError
from monitor.outage.journal import Journal, JournalEntry, reseal
from monitor.records import Action, Delivery
from monitor.runtime.file_encryption import Sealer, is_sealed

KEY, OTHER = "a1" * 32, "b2" * 32


def entry(key: str) -> JournalEntry:
    body = b'{"client":"secretive"}'
    return JournalEntry(Delivery("pagerduty", key, 1, Action.TRIGGER, body, created_at=1.0, priority=0))


def test_a_stolen_spool_says_nothing_and_a_plain_line_from_before_is_read(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    Journal(path).write(entry("before"))
    Journal(path, KEY).write(entry("after"))
    assert [one.delivery.key for one in Journal(path, KEY).read()] == ["before", "after"]
    sealed = path.read_bytes().splitlines()[1]
    assert b"secretive" not in sealed
    assert b"after" not in sealed


def test_other_keys_are_told_and_stop_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "spool"
    Journal(path, KEY).write(entry("a"))
    Journal(path).write(entry("b"))
    with caplog.at_level(logging.WARNING):
        for key in (OTHER, ""):
            assert [one.delivery.key for one in Journal(path, key).read()] == ["b"]
    assert "encrypted with another key" in caplog.text
    assert "store.key is not set" in caplog.text


@pytest.mark.parametrize(("old", "new"), [("", KEY), (KEY, OTHER), (KEY, "")])
def test_the_key_is_changed_with_that_of_the_store(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "spool"
    for name in ("a", "b"):
        Journal(path, old).write(entry(name))
    with path.open("ab") as file:
        file.write(b"torn by a crash")
    reseal(path, old, new)
    reseal(path, old, new)  # as after a kill
    assert [one.delivery for one in Journal(path, new).read()] == [
        replace(entry(n).delivery) for n in ("a", "b")
    ]


@pytest.mark.parametrize("key", ["", KEY])
@pytest.mark.parametrize("torn", [1, 20, -1])
def test_what_is_written_after_a_torn_line_is_read(tmp_path: Path, key: str, torn: int) -> None:
    """A disk that was full, or a kill, left half a line: the next page that was sent would be sent again."""
    path = tmp_path / "spool"
    Journal(path, key).write(entry("a"))
    Journal(path, key).write(entry("b"))
    whole = path.read_bytes()
    begin = whole.index(b"\n") + 1
    path.write_bytes(whole[: torn if torn < 0 else begin + torn])
    Journal(path, key).write(entry("c"))
    Journal(path, key).write(entry("d"))
    names = [one.delivery.key for one in Journal(path, key).read()]
    assert names == (["a", "b", "c", "d"] if torn < 0 else ["a", "c", "d"])


@settings(max_examples=20, deadline=None)
@given(content=st.binary(max_size=300), at=st.integers(0, 400), other=st.binary(min_size=32, max_size=32))
def test_law_what_is_sealed_comes_back_and_any_other_byte_key_or_purpose_does_not(
    content: bytes, at: int, other: bytes
) -> None:
    sealer = Sealer(bytes.fromhex(KEY), "reports")
    sealed = sealer.seal(content)
    assert is_sealed(sealed)
    assert sealer.unseal(sealed) == content
    assert sealer.seal(content) != sealed
    changed = bytearray(sealed)
    changed[at % len(sealed)] ^= 1
    others = Sealer(other, "reports"), Sealer(bytes.fromhex(KEY), "spool")
    for reader, stolen in ((sealer, bytes(changed)), *((one, sealed) for one in others)):
        with pytest.raises(StoreError):
            reader.unseal(stolen)
