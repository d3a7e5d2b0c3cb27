"""Requests that wait share what is read for the first of them; none gets what was read before it was sent."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from monitor.health import client_state
from monitor.health.locale import NEUTRAL, Locale
from monitor.health.model_state import ClientHealth, Health
from monitor.store import api_keys
from monitor.store.api_keys import KeyKind
from monitor.web.recent_health import RecentHealth
from tests.support import clients
from tests.support.server import serving
from tests.support.waiting import until

ACME = ("acme", NEUTRAL)


def health(client: str) -> ClientHealth:
    return ClientHealth(client, client, 0.0, (), "", Health.WORKING)


class Reading:
    """Reads a state that changes with each reading; the clock goes on by one with each look at it."""

    def __init__(self) -> None:
        self.now, self.count = 0.0, 0
        self.recent = RecentHealth(self.elapsed)

    def elapsed(self) -> float:
        self.now += 1
        return self.now

    def read(self) -> ClientHealth:
        self.count += 1
        return health(f"state {self.count}")

    def of(self, key: tuple[str, Locale], arrived: float) -> str:
        found = self.recent.of(key, arrived, self.read)
        return found.client if found is not None else ""


def test_a_request_gets_what_was_read_after_it_arrived_and_nothing_older() -> None:
    reading = Reading()
    early, late = reading.elapsed(), reading.elapsed()
    assert [reading.of(ACME, at) for at in (early, late, early)] == ["state 1"] * 3
    assert [reading.of(ACME, reading.elapsed()) for _ in range(2)] == ["state 2", "state 3"]


def test_what_was_read_last_counts_though_an_earlier_reading_ends_later() -> None:
    reading = Reading()
    arrived = reading.elapsed()

    def slow() -> ClientHealth:
        assert reading.of(ACME, reading.elapsed()) == "state 1"
        return health("before")

    assert reading.recent.of(ACME, arrived, slow) == health("before")
    assert reading.of(ACME, arrived) == "state 1"


def test_clients_and_locales_share_nothing_and_few_are_kept() -> None:
    reading = Reading()
    arrived = reading.elapsed()
    keys = [ACME, ("globex", NEUTRAL), ("acme", Locale(",")), ("", NEUTRAL)]
    assert [reading.of(key, arrived) for key in keys] == [f"state {number}" for number in (1, 2, 3, 4)]
    assert [reading.of(key, arrived) for key in keys] == [f"state {number}" for number in (1, 2, 3, 4)]
    for number in range(20):
        reading.of((f"client {number}", NEUTRAL), arrived)
    assert len(reading.recent._kept) == 4
    assert reading.of(ACME, arrived) == "state 25"


def test_a_reading_that_fails_is_nobody_else_s() -> None:
    reading = Reading()

    def fails() -> ClientHealth:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        reading.recent.of(ACME, reading.elapsed(), fails)
    assert reading.of(ACME, 0.0) == "state 1"


def test_a_hundred_requests_that_wait_cost_few_readings_and_each_client_gets_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, began, ends = clients.opened(tmp_path, hours=2), threading.Event(), threading.Event()
    with shop.store.write() as connection:
        keys = {
            name: api_keys.create(connection, KeyKind.PAGE, name, shop.clock.now())[1]
            for name in ("acme", "globex")
        }
    read, counted = client_state.client, []

    def slow(connection: object, key: str, *rest: object) -> ClientHealth | None:
        counted.append(key)
        began.set()
        assert ends.wait(300)
        return read(connection, key, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(client_state, "client", slow)
    with serving(shop) as web, ThreadPoolExecutor(60) as threads:

        def ask(client: str, of: str) -> tuple[int, str]:
            answer = web.get(f"/c/{of}/days.csv", headers={"Authorization": f"Bearer {keys[client]}"})
            return answer.status_code, answer.text

        own = [threads.submit(ask, "acme", "acme") for _ in range(30)]
        own += [threads.submit(ask, "globex", "globex") for _ in range(20)]
        foreign = [threads.submit(ask, "globex", "acme") for _ in range(5)]
        assert began.wait(300)
        until(lambda: len(counted) > 1, "both clients are read")
        ends.set()
        answers = [one.result() for one in own]
        assert {one.result()[0] for one in foreign} == {404}
    assert all(status == 200 for status, _ in answers)
    assert {"Fraud check" in text for _, text in answers[:30]} == {True}
    assert {"Price" in text for _, text in answers[30:]} == {True}
    assert not any("Price" in text for _, text in answers[:30])
    assert not any("Fraud check" in text for _, text in answers[30:])
    assert len(counted) < 30
    shop.store.close()
