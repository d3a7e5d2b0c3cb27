"""From a stream that drifts to the page's words, through the shipped rules."""

import shutil
from pathlib import Path

import numpy as np

from monitor.metrics import METRICS
from monitor.records import Measurement, State
from monitor.rules import load
from monitor.store.db import Store
from tests.support.drift_scenario import BASE, DAY, START, STREAM, DriftScenario
from tests.support.judging import Judge

PACKS = sorted(Path("rules").glob("[a-z]*[a-z].yaml"))


def test_one_page_names_the_likeliest_causes_stays_one_and_closes(ten_days: Path, tmp_path: Path) -> None:
    shutil.copy(ten_days, tmp_path / "state.db")
    scenario = DriftScenario(
        Store(f"sqlite:///{tmp_path}/state.db"), np.random.default_rng(6), START + 10 * DAY
    )
    judge = Judge(load([path for path in PACKS if "test" not in path.name], METRICS), STREAM)

    def look() -> list[Measurement]:
        found = list(scenario.watch().measurements)
        for _ in range(3):
            judge.look(*found, after=BASE / 3, seconds=3600)
        return found

    for _ in range(12):
        scenario.write(BASE)
        look()
    assert not judge.alerts

    for _ in range(8):
        scenario.write(BASE, shift=1.5, version="8")
        look()
    (alert,) = judge.alerts.values()
    assert (alert.rule, alert.state, alert.episode) == ("SignificantDrift", State.FIRING, 1)
    assert "likeliest causes: 1. version 8 began to answer" in alert.reason
    assert "2. feature `amount`: values are higher" in alert.reason
    assert "version 8" not in alert.annotation("client"), "the client page never says it"

    for _ in range(48):
        scenario.write(BASE)
        look()
    (alert,) = judge.alerts.values()
    # Looks are rare here, so the rule's hour of recovering does not run out; the condition is over.
    assert (alert.state, alert.episode) == (State.RECOVERING, 1)
    scenario.store.close()


def test_a_column_that_became_constant_is_told_so(learned: DriftScenario) -> None:
    learned.write(4 * BASE)
    learned.watch()
    learned.write(6 * BASE, constant=0.25)
    told = [one.because for one in learned.watch().measurements if one.because]
    assert told
    assert "1. feature `amount`: constant, or nearly: all of the last " in told[0]
