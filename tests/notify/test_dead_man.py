"""The dead man's switch stops when anything that matters does, whatever HTTP answers."""

from dataclasses import replace

import pytest

from monitor.notify.dead_man import DeadMan, DeadManSettings, Vitals, ailment
from tests.support.receiver import Receiver

WELL = Vitals(judged_at=995.0, wrote_at=995.0, waiting_since=None, is_delivering=True)


@pytest.mark.parametrize(
    ("vitals", "words"),
    [
        (WELL, ""),
        (replace(WELL, judged_at=900.0), "nothing was judged for too long (last: 1m40s ago)"),
        (replace(WELL, judged_at=None), "nothing was judged for too long (last: never)"),
        (replace(WELL, wrote_at=900.0), "nothing was written for too long"),
        (replace(WELL, waiting_since=930.0), "a critical page waits for 1m10s"),
        (replace(WELL, waiting_since=980.0), ""),
        (replace(WELL, is_delivering=False), "a delivery thread has died"),
    ],
)
def test_each_sign_of_life_counts(vitals: Vitals, words: str) -> None:
    found = ailment(vitals, 1.0, 1000.0)
    assert found.startswith(words)
    assert bool(found) == bool(words)


def test_it_pings_once_a_minute_while_all_is_well_and_stops_when_it_is_not() -> None:
    with Receiver() as receiver:
        switch = DeadMan(DeadManSettings.model_validate({"url": receiver.url}))
        for now in range(1000, 1180, 10):
            switch.step(replace(WELL, judged_at=float(now), wrote_at=float(now)), 1.0, float(now))
        assert len(receiver.requests) == 3
        for now in range(1180, 1400, 10):
            switch.step(replace(WELL, judged_at=1180.0, wrote_at=float(now)), 1.0, float(now))
        assert len(receiver.requests) == 4, "one more, until thirty seconds without a tick have passed"
        receiver.statuses.append(500)
        answer = switch.step(replace(WELL, judged_at=1400.0, wrote_at=1400.0), 1.0, 1400.0)
        assert answer.startswith("not pinged")
        switch.close()
