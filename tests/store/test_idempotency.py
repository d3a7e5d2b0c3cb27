"""Requests that are remembered: many at once, some of them known."""

import pytest

from monitor.store import idempotency
from monitor.store.db import Store
from monitor.store.idempotency import RequestKey
from tests.support import schema


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 200])
def test_those_that_were_there_before_are_told_with_their_content_and_the_others_are_kept(tmp_path, count):
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    every = [RequestKey(n.to_bytes(16, "big"), bytes(16)) for n in range(count)]
    known = every[::3]
    with store.write() as connection:
        assert idempotency.put(connection, known, 1.0) == {}
    with store.write() as connection:
        again = [RequestKey(one.key, bytes([1] * 16)) for one in every]
        assert idempotency.put(connection, again, 2.0) == {one.key: one.content for one in known}
    with store.write() as connection:
        assert idempotency.put(connection, every, 3.0).keys() == {one.key for one in every}
    store.close()


@pytest.mark.parametrize("count", [0, 1, 2, 511, 512, 513, 1700])
def test_those_that_are_known_are_found_whatever_their_number(tmp_path, count):
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    every = [RequestKey(n.to_bytes(16, "big"), (n + 1).to_bytes(16, "big")) for n in range(count)]
    with store.write() as connection:
        idempotency.put(connection, every[::3], 1.0)
    with store.read() as connection:
        known = idempotency.contents_of(connection, [one.key for one in every])
    assert known == {one.key: one.content for one in every[::3]}
    store.close()
