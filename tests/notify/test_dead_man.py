"""The dead man's switch stops when anything that matters does, whatever HTTP answers."""

from dataclasses import replace

import pytest

from monitor.notify.dead_man import DeadMan, DeadManSettings, Vitals, health_problem
from tests.support.receiver import Receiver

WELL = Vitals(judged=5.0, waiting=None, is_delivering=True)


@pytest.mark.parametrize(
    ("vitals", "words"),
    [
        (WELL, ""),
        (replace(WELL, judged=100.0), "no rule evaluation for too long (last: 1m40s ago)"),
        (replace(WELL, judged=None), "no rule evaluation for too long (last: never)"),
        (replace(WELL, waiting=70.0), "a critical page has been waiting for 1m10s"),
        (replace(WELL, waiting=20.0), ""),
        (replace(WELL, is_delivering=False), "a delivery thread has stopped"),
    ],
)
def test_each_sign_of_life_counts(vitals: Vitals, words: str) -> None:
    found = health_problem(vitals, 1.0)
    assert found.startswith(words)
    assert bool(found) == bool(words)


def test_it_pings_once_a_minute_while_all_is_well_and_stops_when_it_is_not() -> None:
    with Receiver() as receiver:
        switch = DeadMan(DeadManSettings.model_validate({"url": receiver.url}))
        for now in range(1000, 1180, 10):
            switch.step(WELL, 1.0, float(now))
        assert len(receiver.requests) == 3
        for now in range(1180, 1400, 10):
            switch.step(replace(WELL, judged=now - 1180.0), 1.0, float(now))
        assert len(receiver.requests) == 4, "one more, until thirty seconds without a tick have passed"
        receiver.statuses.append(500)
        answer = switch.step(WELL, 1.0, 1400.0)
        assert answer.startswith("not pinged")
        switch.close()
