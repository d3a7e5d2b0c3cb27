"""Remote write, taken by a real Prometheus."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from monitor.exporters.push.point import Point
from monitor.exporters.push.remote_write import RemoteWriteSettings
from monitor.notify.failure import AttemptError
from monitor.outgoing import Budget
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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    with prometheus(folder, "127.0.0.1:9", "", "--web.enable-remote-write-receiver") as running:
        yield running


def section(url: str, **more: Any) -> RemoteWriteSettings:
    return RemoteWriteSettings.model_validate({"url": f"{url}/api/v1/write", **more})


def test_prometheus_takes_each_kind_and_every_label(server: Prometheus) -> None:
    now = time.time()
    points = [
        Point(STATE, ("acme", "production", "kinds"), 2.0, now),
        Point(STATE, ("acme", "production", "nan"), float("nan"), now),
        Point(STATE, ("acme", "production", "infinite"), INFINITE, now),
        Point(PREDICTIONS, (*STREAM, "7"), 5.0, now),
        Point(DURATION, (*STREAM, "7"), 6.0, now, 0.0, (0.1, 0.5, INFINITE), (1, 4, 6), 1.5),
        *hostile(now),
    ]
    labels = {"region": "eu", "Zone": "1"}
    with closing(section(server.url, instance="a:1", labels=labels).make_exporter("host")) as exporter:
        assert exporter.send(points, Budget(10)).refused == 0
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
        exporter.send([new], Budget(10))
        assert exporter.send([new], Budget(10)).refused == 0, "the same sample again"
        set_back = exporter.send([old], Budget(10))
        assert (set_back.refused, "newer samples" in set_back.detail) == (1, True)
        exporter._is_unanswered = True  # as after an attempt whose answer was lost
        assert exporter.send([old], Budget(10)).refused == 0
    with (
        closing(section(f"{server.url}/wrong").make_exporter("host")) as exporter,
        pytest.raises(AttemptError),
    ):
        exporter.send([new], Budget(10))


def test_points_keep_their_order_while_the_receiver_fails() -> None:
    with Receiver() as server:
        server.statuses.extend([503, 503, 500])
        scene = Scene(section(server.url, every="1s"))
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
