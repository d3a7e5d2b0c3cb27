"""The usual level of a past that was loaded is asked for once its outcomes are matched and its hours measured again."""

from pathlib import Path

import pyarrow as pa
import pytest

from monitor.config.units import HOUR
from monitor.evaluation import declines
from monitor.evaluation.declines import STEP, WATCHED, DeclineDetector, Usual, _is_settled, _Watch
from monitor.metrics.sequential import Reference
from monitor.records import Stream, Window
from monitor.store import measurement_queue
from monitor.windows.layout.from_table import BARE
from tests.support import notations
from tests.support.log import STREAM
from tests.support.measuring import measuring_daemon

COMPARING = {
    "accuracy", "balanced_accuracy", "f1", "mae", "rmse", "mape", "bias", "r_squared", "confidence_bias",
    "worst_segment_gap",
}  # fmt: skip
"""Metrics that hold answers against truths."""


def test_figures_without_their_outcomes_are_not_what_is_usual(tmp_path: Path) -> None:
    with measuring_daemon(tmp_path) as daemon:

        def settled(watch: _Watch) -> bool:
            with daemon.store.read() as connection:
                return _is_settled(connection, STREAM, watch, daemon.clock.now())

        daemon.predict(400)
        daemon.send_outcomes(*(f"p{number}" for number in range(400)), reviewed=True)
        assert settled(_Watch()), "what comes in now is matched in a moment"
        daemon.clock.advance(90)
        watch = _Watch()
        assert not settled(watch)
        daemon.count()
        assert settled(_Watch())
        hours = [Window(hour * HOUR, (hour + 1) * HOUR) for hour in range(30)]
        with daemon.store.write() as connection:
            measurement_queue.add(connection, {STREAM: hours}, daemon.clock.now())
        assert not settled(watch)
        daemon.clock.advance(2 * HOUR)
        assert settled(watch), "not for ever"


@pytest.mark.parametrize("kind", [float, int], ids=["fractions", "whole numbers"])
def test_no_answer_of_a_survival_model_is_compared_with_a_truth(kind: type) -> None:
    rows = pa.table({"prediction": list(map(kind, range(50))), "truth": list(map(kind, range(-25, 25)))})
    counted = notations.profile(rows, BARE)
    watched = {}
    for task in ("regression", "survival"):
        figures = [m.metric for m in notations.measured(rows, task=task).values() if m.value is not None]
        assert bool(COMPARING.intersection(figures)) == (task == "regression")
        detector = DeclineDetector(60, {(STREAM.client, STREAM.model): task})
        detector.add(STREAM, Window(0, 60), counted, 60.0)
        watched[task] = {dict(one.labels)["of"] for one in detector.measure(STREAM, 60.0)}
    assert "mae" in watched["regression"]
    assert not watched["survival"] & COMPARING


def test_after_a_start_references_are_read_in_turn_while_there_is_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Stream] = []

    def usual_of(_connection: object, stream: Stream, *_: object) -> Usual:
        read.append(stream)
        return Usual(Reference(0.9, 0.1))

    monkeypatch.setattr(declines, "usual_of", usual_of)
    monkeypatch.setattr(declines, "_is_settled", lambda *_: True)
    detector, name = DeclineDetector(60), next(iter(WATCHED))
    streams = [Stream("acme", f"model-{number}") for number in range(4)]
    with measuring_daemon(tmp_path) as daemon, daemon.store.read() as connection:
        for step in range(6):
            for stream in streams:
                detector._watched.setdefault(stream, {}).setdefault(name, _Watch()).now = (90.0, 100.0)
            detector.advance(connection, 1e9 + step * STEP, 0.0)
            values = [one.value for stream in streams for one in detector.measure(stream, 2e9)]
            assert sum(value is not None for value in values) == min(step + 1, len(streams))
    assert read == streams, "one at each step although there was no time, and none twice within an hour"
