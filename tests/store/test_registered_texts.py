"""Registered system prompts and canaries: replaced by version, never doubled, damaged rows left out."""

from pathlib import Path

import pytest
from sqlalchemy import text

from monitor.store import registered_texts
from monitor.store.db import Store
from monitor.store.registered_texts import Canary, SystemPrompt
from tests.support import schema


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    return store


def prompt(version: str = "7", *shingles: int, model: str = "fraud") -> SystemPrompt:
    return SystemPrompt("acme", model, version, frozenset(shingles), 20, 5.0)


def test_prompts_of_all_versions_of_a_model_count_and_one_replaces_its_version(store: Store) -> None:
    with store.write() as connection:
        for one in (prompt("7", 1), prompt("7", 2, 2**64 - 1), prompt("8", 3), prompt("8", 4, model="other")):
            registered_texts.register_prompt(connection, one)
        known = registered_texts.load(connection)
        assert known.shingles_of("acme", "fraud") == {2, 2**64 - 1, 3}
        assert known.shingles_of("acme", "third") == known.shingles_of("beta", "fraud") == frozenset()
        assert registered_texts.remove_prompt(connection, "acme", "fraud", "8")
        assert not registered_texts.remove_prompt(connection, "acme", "fraud", "8")


def test_canaries_are_for_one_model_or_for_all_of_a_client(store: Store) -> None:
    one = Canary("acme", "fraud", "prompt", b"a" * 32, 1.0)
    everywhere = Canary("acme", "", "", b"b" * 32, 2.0)
    with store.write() as connection:
        for canary in (one, everywhere, one):
            registered_texts.add_canary(connection, canary)
        known = registered_texts.load(connection)
        assert known.canaries == (one, everywhere)
        assert known.canaries_of("acme", "fraud") == {one.digest, everywhere.digest}
        assert known.canaries_of("acme", "other") == {everywhere.digest}
        assert known.canaries_of("beta", "fraud") == frozenset()
        assert registered_texts.remove_canaries(connection, [one, one]) == 1


def test_a_damaged_row_hides_no_other(store: Store) -> None:
    with store.write() as connection:
        registered_texts.register_prompt(connection, prompt("7", 1))
        registered_texts.register_prompt(connection, prompt("8", 2))
        registered_texts.add_canary(connection, Canary("acme", "", "", b"b" * 32, 2.0))
        registered_texts.add_canary(connection, Canary("acme", "", "", b"c" * 32, 2.0))
        connection.execute(text("UPDATE system_prompts SET shingles = x'0102' WHERE version = '7'"))
        connection.execute(
            text("UPDATE canaries SET created_at = 'never' WHERE digest = :one"), {"one": b"b" * 32}
        )
        known = registered_texts.load(connection)
    assert known.shingles_of("acme", "fraud") == {2}
    assert known.canaries_of("acme", "fraud") == {b"c" * 32}
