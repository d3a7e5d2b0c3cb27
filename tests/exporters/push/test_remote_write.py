"""Remote write: 1.0, taken by a real Prometheus that takes 2.0 for an empty message, and 2.0, by a strict decoder."""

import struct
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from monitor.exporters.push.point import Point
from monitor.exporters.push.remote_write import RemoteWriteSettings
from monitor.exporters.push.write_requests import STALE
from monitor.notify.failure import AttemptError
from monitor.outgoing import CallBudget
from tests.exporters.push.made import (
    DURATION,
    FEATURE,
    HOSTILE,
    INFINITE,
    PREDICTIONS,
    STATE,
    STREAM,
    Scene,
    hostile,
    state,
)
from tests.support.prometheus import Prometheus, prometheus
from tests.support.receiver import Receiver
from tests.support.remote_write import RemoteWriteIntake


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    with prometheus(folder, "127.0.0.1:9", "", "--web.enable-remote-write-receiver") as running:
        yield running


def points_of_each_kind(now: float) -> list[Point]:
    return [
        Point(STATE, ("acme", "production", "kinds"), 2.0, now),
        Point(STATE, ("acme", "production", "nan"), float("nan"), now),
        Point(STATE, ("acme", "production", "infinite"), INFINITE, now),
        Point(PREDICTIONS, (*STREAM, "7"), 5.0, now),
        Point(DURATION, (*STREAM, "7"), 6.0, now, 0.0, (0.1, 0.5, INFINITE), (1, 4, 6), 1.5),
        *hostile(now),
    ]


def section(url: str, **more: Any) -> RemoteWriteSettings:
    return RemoteWriteSettings.model_validate({"url": f"{url}/api/v1/write", **more})


def test_prometheus_takes_each_kind_and_every_label(server: Prometheus) -> None:
    now = time.time()
    points = points_of_each_kind(now)
    labels = {"region": "eu", "Zone": "1"}
    with closing(section(server.url, instance="a:1", labels=labels).make_exporter("host")) as exporter:
        assert exporter.send(points, CallBudget(10)).refused == 0
    (gauge,) = server.query('watchkeeper_model_state{model="kinds"}')
    expected = {"client": "acme", "environment": "production", "model": "kinds", **labels}
    assert gauge["metric"] == {
        "__name__": "watchkeeper_model_state", "job": "watchkeeper", "instance": "a:1", **expected,
    }  # fmt: skip
    assert gauge["value"][1] == "2"
    values = {one["metric"]["model"]: one["value"][1] for one in server.query("watchkeeper_model_state")}
    assert (values["nan"], values["infinite"]) == ("NaN", "+Inf")
    assert server.query("watchkeeper_predictions_total")[0]["value"][1] == "5"
    buckets = server.query("watchkeeper_prediction_duration_seconds_bucket")
    assert {one["metric"]["le"]: one["value"][1] for one in buckets} == {"0.1": "1", "0.5": "4", "+Inf": "6"}
    (median,) = server.query("histogram_quantile(0.5, watchkeeper_prediction_duration_seconds_bucket)")
    assert 0.1 < float(median["value"][1]) < 0.5
    features = {one["metric"]["feature"] for one in server.query("watchkeeper_feature_state")}
    assert len(features) == len(HOSTILE)
    assert {"a\u2028b", "nul\0"} <= features


def test_a_series_that_ends_is_gone_at_once(server: Prometheus) -> None:
    scene = Scene(section(server.url))
    scene.clock.set(time.time() - 10)
    scene.pass_interval(state(1, "stays"), state(1, "ends"))
    query = 'watchkeeper_model_state{model=~"stays|ends"}'
    assert len(server.query(f"{query} @ {scene.clock.now()}")) == 2
    scene.pass_interval(state(1, "stays"))
    (left,) = server.query(f"{query} @ {scene.clock.now()}")
    assert left["metric"]["model"] == "stays"
    scene.close()


def test_what_the_receiver_has_is_no_failure(server: Prometheus) -> None:
    now = time.time()
    new, old = (Point(FEATURE, (*STREAM, "again"), value, at) for value, at in ((1.0, now), (2.0, now - 60)))
    with closing(section(server.url).make_exporter("host")) as exporter:
        exporter.send([new], CallBudget(10))
        assert exporter.send([new], CallBudget(10)).refused == 0, "the same sample again"
        set_back = exporter.send([old], CallBudget(10))
        assert (set_back.refused, "newer samples" in set_back.detail) == (1, True)
        exporter._is_unanswered = True  # as after an attempt whose answer was lost
        assert exporter.send([old], CallBudget(10)).refused == 0
    with (
        closing(section(f"{server.url}/wrong").make_exporter("host")) as exporter,
        pytest.raises(AttemptError),
    ):
        exporter.send([new], CallBudget(10))


def test_points_keep_their_order_while_the_receiver_fails() -> None:
    with Receiver() as server:
        server.statuses.extend([503, 503, 500])
        scene = Scene(section(server.url, every="1s", version="1.0"))
        for number in range(4):
            scene.pass_interval(state(number))
        scene.clock.advance(60)
        scene.runner.step()
        scene.close()
    assert scene.counted["sent"] == 5
    bodies = [request.body for request in server.requests]
    assert bodies[0] == bodies[1] == bodies[2], "the oldest is tried again, and no other before it"
    assert len(set(bodies)) == 5, "and then each of the others, once"
    assert scene.runner.progress.error == ""


def test_version_2_holds_each_text_once_and_tells_type_help_and_unit() -> None:
    now = 1_800_000_000.25
    points = [*points_of_each_kind(now), Point(STATE, ("acme", "production", "ended"), 1.0, now, is_end=True)]
    with RemoteWriteIntake() as intake:
        settings = section(intake.url, instance="a:1", labels={"region": "eu", "Zone": "1"})
        with closing(settings.make_exporter("host")) as exporter:
            assert exporter.send(points, CallBudget(10)).detail == "answered 204 (version 2.0)"
            exporter.send(points[:1], CallBudget(10))
    assert len(intake.requests) == 2
    assert len(intake.series) == 3 + 1 + 5 + len(HOSTILE) + 1 + 1
    states = {one.labels["model"]: one for one in intake.series if one.labels["__name__"] == STATE.name}
    assert states["kinds"].labels == {
        "__name__": STATE.name, "job": "watchkeeper", "instance": "a:1", "region": "eu", "Zone": "1",
        "client": "acme", "environment": "production", "model": "kinds",
    }  # fmt: skip
    assert (states["kinds"].value, states["kinds"].time) == (2.0, 1_800_000_000_250)
    assert (states["kinds"].kind, states["kinds"].help, states["kinds"].unit) == (2, STATE.help, "")
    assert states["infinite"].value == INFINITE
    assert struct.pack("<d", states["ended"].value) == STALE
    buckets = {one.labels["le"]: one.value for one in intake.series if "le" in one.labels}
    assert buckets == {"0.1": 1, "0.5": 4, "+Inf": 6}
    assert {(one.kind, one.unit) for one in intake.series if "duration" in one.labels["__name__"]} == {
        (3, "seconds")
    }
    assert [one.kind for one in intake.series if one.labels["__name__"].endswith("_total")] == [1]
    assert len({one.labels["feature"] for one in intake.series if "feature" in one.labels}) == len(HOSTILE)


def test_a_receiver_that_does_not_know_version_2_gets_version_1_from_then_on() -> None:
    with (
        RemoteWriteIntake(old=True) as intake,
        closing(section(intake.url).make_exporter("host")) as exporter,
    ):
        for _ in range(2):
            assert (
                exporter.send(points_of_each_kind(1.0), CallBudget(10)).detail == "answered 204 (version 1.0)"
            )
        assert [one.headers["X-Prometheus-Remote-Write-Version"] for one in intake.requests] == [
            "2.0.0", "0.1.0", "0.1.0",
        ]  # fmt: skip
        only = section(intake.url, version="2.0").make_exporter("host")
        with closing(only), pytest.raises(AttemptError, match="415"):
            only.send(points_of_each_kind(1.0), CallBudget(10))


def test_a_receiver_that_says_nothing_of_what_it_has_written_is_told_again(server: Prometheus) -> None:
    """This Prometheus is older than 2.0, and answers 204 to it without having stored anything."""
    point = Point(FEATURE, (*STREAM, "negotiated"), 3.0, time.time())
    only = section(server.url, version="2.0").make_exporter("host")
    with closing(only), pytest.raises(AttemptError, match=r"does not know version 2\.0; set version: auto"):
        only.send([point], CallBudget(10))
    query = 'watchkeeper_feature_state{feature="negotiated"}'
    assert server.query(query) == []
    with closing(section(server.url).make_exporter("host")) as exporter:
        assert exporter.send([point], CallBudget(10)).detail == "answered 204 (version 1.0)"
    assert len(server.query(query)) == 1
