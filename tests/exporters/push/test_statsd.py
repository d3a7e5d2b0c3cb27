"""StatsD and DogStatsD, read by a strict parser."""

import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.exporters.push.point import Point
from monitor.exporters.push.statsd import StatsdSettings
from monitor.notify.failure import AttemptError
from monitor.outgoing import CallBudget
from tests.exporters.push.made import (
    HOSTILE,
    NOW,
    STATE,
    Scene,
    counter,
    gauges,
    histogram,
    hostile,
    state,
)
from tests.support.metric_intakes import Line, datagrams, parse_statsd, udp


def section(bound: socket.socket, **more: Any) -> StatsdSettings:
    return StatsdSettings.model_validate({"url": f"udp://127.0.0.1:{bound.getsockname()[1]}", **more})


def lines(bound: socket.socket) -> list[Line]:
    return [line for datagram in datagrams(bound) for line in parse_statsd(datagram)]


def test_gauges_are_levels_and_counters_what_was_counted_since() -> None:
    with udp() as bound:
        scene = Scene(section(bound, labels={"region": "eu"}))
        scene.pass_interval(counter(10), state(2))
        first = lines(bound)
        scene.pass_interval(counter(10), state(-1.5), histogram((1, 4, 6), 1.5))
        second = lines(bound)
        scene.close()
    tags = (("region", "eu"), ("client", "acme"), ("environment", "production"), ("model", "fraud"))
    assert first == [
        Line("watchkeeper_predictions_total", 10, "c", (*tags, ("version", "7"))),
        Line("watchkeeper_model_state", 2, "g", tags),
    ]
    name = "watchkeeper_prediction_duration_seconds"
    assert [(line.name, line.value, line.kind) for line in second] == [
        ("watchkeeper_model_state", -1.5, "g"),
        (f"{name}_bucket", 1, "c"),
        (f"{name}_bucket", 4, "c"),
        (f"{name}_bucket", 6, "c"),
        (f"{name}_count", 6, "c"),
        (f"{name}_sum", 1.5, "c"),
    ], "a counter that counted nothing has no line"


@pytest.mark.parametrize("has_tags", [True, False])
def test_any_value_of_a_label_is_one_tag_or_part_of_a_name_and_stays_different(has_tags: bool) -> None:
    with udp() as bound:
        with closing(section(bound, tags=has_tags).make_exporter("")) as exporter:
            exporter.send(hostile(), CallBudget(5))
        found = lines(bound)
    assert len({(line.name, line.tags) for line in found}) == len(HOSTILE)
    assert {len(line.tags) for line in found} == {4 if has_tags else 0}


def test_without_tags_a_sign_means_a_change_so_a_negative_level_begins_at_zero() -> None:
    with udp() as bound:
        with closing(section(bound, tags=False).make_exporter("")) as exporter:
            exporter.send([Point(STATE, ("acme", "", "fraud"), -2.0, NOW)], CallBudget(5))
        (datagram,) = datagrams(bound)
    name = b"watchkeeper_model_state.acme._.fraud"
    assert datagram.split(b"\n") == [name + b":0|g", name + b":-2.0|g"]


def test_no_datagram_is_larger_than_allowed() -> None:
    with udp() as bound:
        with closing(section(bound, largest_datagram=300).make_exporter("")) as exporter:
            exporter.send(gauges(50), CallBudget(5))
            assert exporter.send(gauges(1), CallBudget(5)).refused == 0
        arrived = datagrams(bound)
    assert max(map(len, arrived)) <= 300
    assert sum(len(parse_statsd(one)) for one in arrived) == 51
    with udp() as bound, closing(section(bound, largest_datagram=20).make_exporter("")) as exporter:
        assert exporter.send(gauges(2), CallBudget(5)).refused == 2


def test_a_socket_that_takes_no_more_loses_no_counts(tmp_path: Path) -> None:
    path, amount = tmp_path / "dsd.socket", 30
    settings = StatsdSettings.model_validate(
        {"url": f"unix://{path}", "largest_datagram": 200, "timeout": 0.05}
    )
    scene = Scene(settings)
    scene.pass_interval(*[counter(10, str(number)) for number in range(amount)])
    assert "No such file" in scene.runner.progress.error
    found = list[Line]()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(path))
        for _ in range(20):  # the kernel keeps about ten datagrams that nobody has read
            scene.pass_interval(*[counter(15, str(number)) for number in range(amount)])
            found += lines(bound)
    scene.close()
    assert sum(line.value for line in found) == 15 * amount
    assert scene.counted["dropped"] > 0
    assert scene.runner.progress.error == ""


def test_a_closed_port_is_noticed_and_found_again() -> None:
    with udp() as bound:
        settings = section(bound)
    with closing(settings.make_exporter("")) as exporter, pytest.raises(AttemptError):
        for _ in range(3):
            exporter.send(gauges(1), CallBudget(5))


@pytest.mark.parametrize(
    "url", ["udp://127.0.0.1", "tcp://h:1", "unix://host/p", "udp://[::1:8125", "udp://h:99999"]
)
def test_a_wrong_address_is_told(url: str) -> None:
    with pytest.raises(ValidationError, match="udp://HOST:PORT or unix:///PATH"):
        StatsdSettings.model_validate({"url": url})
