"""Judges are compared with people by the ids of answers, by evaluator and version."""

from pathlib import Path

import pytest

from monitor.clock import ManualClock
from monitor.config.units import DAY
from monitor.evaluation.evaluators.judge_metrics import EVERY, JudgeMetrics
from monitor.predictions.intake.parse import RecordKind
from monitor.windows.counting import count_new
from monitor.windows.settings import WindowSettings
from tests.support.log import NOW, STREAM, outcome, prediction, running, send

DAYS_AGO = 12


def test_a_judge_that_has_become_worse_is_told_by_version(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    with running(tmp_path, clock) as (log, store):
        for day in (DAYS_AGO, 1):
            at = NOW - day * DAY
            ids = [f"{day}-{number}" for number in range(40)]
            send(log, RecordKind.PREDICTIONS, [prediction(id=one, timestamp=at) for one in ids])
            said = [
                outcome(
                    id=one,
                    timestamp=at,
                    corrected=number % 2 == 0,
                    scores=[
                        {
                            "name": "grounded",
                            "evaluator": "judge",
                            "version": "1",
                            "value": number % 2 if day == DAYS_AGO else (number // 2) % 2,
                        },
                        {
                            "name": "grounded",
                            "evaluator": "other",
                            "version": str(day),
                            "label": "pass" if number % 2 else "fail",
                        },
                    ],
                )
                for number, one in enumerate(ids)
            ]
            send(log, RecordKind.OUTCOMES, said)
        count_new(store, WindowSettings(), NOW)
        judges = JudgeMetrics(store)
        found = {one.labels: one for one in judges.measure(NOW)[STREAM]}

        assert {name: (one.value, one.baseline) for name, one in found.items()} == {
            (("evaluator", "judge@1"), ("score", "grounded")): (0.5, 1.0),
            (("evaluator", f"other@{1}"), ("score", "grounded")): (1.0, None),
        }
        assert judges.measure(NOW + 1) is judges.measure(NOW)  # not read again
        assert judges.measure(NOW + EVERY + 60 * DAY) == {}


@pytest.mark.parametrize("scored", [{}, {"scores": [{"name": "a", "evaluator": "b", "label": "blue"}]}])
def test_nothing_is_measured_without_numbers(tmp_path: Path, scored: dict[str, object]) -> None:
    with running(tmp_path) as (log, store):
        send(log, RecordKind.PREDICTIONS, [prediction(id=str(one)) for one in range(30)])
        send(log, RecordKind.OUTCOMES, [outcome(id=str(one), corrected=True, **scored) for one in range(30)])
        count_new(store, WindowSettings(), NOW)
        assert not any(JudgeMetrics(store).measure(NOW).values())
