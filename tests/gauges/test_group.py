"""Gauges in the daemon: read, added up, measured and judged; unknown is not zero, and one that fails stops no other."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.evaluation.gauge_metrics import GaugeMetrics
from monitor.exporters import gauge_samples
from monitor.exporters.metric_names import BY_NAME
from monitor.exporters.prometheus.text import text
from monitor.exporters.samples import SampleSet
from monitor.gauges.group import MOST_READINGS, GaugeGroup
from monitor.gauges.metrics_endpoints.prometheus import PrometheusSettings
from monitor.gauges.reading import GaugeError, GaugeReader, Quantity, Reading
from monitor.gauges.settings import GaugeSettings
from monitor.records import DAEMON, Measurement, Stream
from monitor.rules.engine.readings import OPEN
from monitor.store import alerts, gauges
from monitor.store.db import Store
from monitor.store.migrate import migrate
from tests.support.metrics_endpoint import endpoint
from tests.support.ports import free_port
from tests.support.prometheus import prometheus
from tests.support.waiting import until

NOW = 1_800_000_000.0
FRAUD = Stream("acme", "fraud")


class Scripted(GaugeSettings):
    """A gauge that answers what a test says."""

    answers: Any = None

    def make_reader(self) -> GaugeReader:
        return Answers(self.answers)


@dataclass
class Answers:
    """Hands out one answer after the other; raises those that are exceptions."""

    answers: list[Any]

    def read(self) -> Sequence[Reading]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)


def used(share: float, resource: str = "disk:/") -> Reading:
    return Reading(Quantity.USED_SHARE, resource, share)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/gauges.db")
    migrate(made)
    yield made
    made.close()


class Watched:
    """Some scripted gauges with a clock of their own."""

    def __init__(self, store: Store, sections: dict[str, GaugeSettings]) -> None:
        self.clock = ManualClock(NOW)
        self.is_leader = True
        self.group = GaugeGroup(sections, store, self.clock, lambda: self.is_leader)
        self.metrics = GaugeMetrics(store, sections, self.group.failures)
        self.names = list(sections)

    def step(self, seconds: float = 15.0) -> None:
        """Read all gauges once, store what was read, and let time pass."""
        for name in self.names:
            self.group.read(name)
        self.group.write()
        self.clock.advance(seconds)

    def figures(self, stream: Stream = FRAUD) -> dict[tuple[str, str], Measurement]:
        """What is measured of a stream now, by metric and resource."""
        found = self.metrics.measure(self.clock.now())
        return {(one.metric, one.label("resource")): one for one in found.get(stream, ())}


def scripted(*answers: Any, **more: Any) -> Scripted:
    return Scripted(client="acme", model="fraud", answers=list(answers), **more)


def test_levels_are_averaged_and_increments_added_up(store: Store) -> None:
    def step(share: float, kills: int, waiting: int) -> list[Reading]:
        return [
            used(share),
            Reading(Quantity.OUT_OF_MEMORY_KILLS, "memory", kills),
            Reading(Quantity.QUEUE_DEPTH, "jobs", waiting),
        ]

    watched = Watched(
        store, {"host": scripted(step(0.5, 0, 10), step(0.7, 2, 30), step(0.9, 1, 80), max_waiting=100)}
    )
    for _ in range(3):
        watched.step(60)
    found = watched.figures()
    assert found["resource_used_share", "disk:/"].value == pytest.approx(0.7)
    assert found["out_of_memory_kills", "memory"].value == 3
    assert found["queue_depth", "jobs"].value == 80
    assert found["queue_backlog", "jobs"].value == pytest.approx(0.8)
    assert found["resource_hours_left", "disk:/"].value is None
    assert "hours are known" in found["resource_hours_left", "disk:/"].reason
    assert found["gauge_failing_seconds", ""].value == 0


def test_rates_of_a_server_are_those_of_its_counters(store: Store) -> None:
    def step(requests: float, failed: float, seconds: float) -> list[Reading]:
        values = {
            Quantity.REQUESTS: requests,
            Quantity.FAILED_REQUESTS: failed,
            Quantity.TIMED_REQUESTS: requests,
            Quantity.REQUEST_SECONDS: seconds,
        }
        return [Reading(quantity, "requests", value) for quantity, value in values.items()]

    watched = Watched(store, {"triton": scripted(*[step(60, 3, 6.0)] * 6, step(0, 0, 0.0))})
    for _ in range(6):
        watched.step(60)
    found = watched.figures()
    assert found["server_request_rate", "requests"].value == pytest.approx(1.0, rel=0.01)
    assert found["server_error_rate", "requests"].value == pytest.approx(0.05)
    assert found["server_latency_seconds", "requests"].value == pytest.approx(0.1)


def test_what_cannot_be_read_is_unknown_with_its_reason_and_not_zero(store: Store) -> None:
    gone = GaugeError("redis-1 does not answer", hint="start it")
    watched = Watched(store, {"jobs": scripted([Reading(Quantity.QUEUE_DEPTH, "celery", 7)], *[gone] * 30)})
    watched.step(60)
    assert watched.figures()["queue_depth", "celery"].value == 7
    for _ in range(7):
        watched.step(60)
    found = watched.figures()
    assert found["queue_depth", "celery"].value is None
    assert found["queue_depth", "celery"].reason == "redis-1 does not answer (start it)"
    assert found["gauge_failing_seconds", ""].value == pytest.approx(7 * 60)


def test_a_gauge_that_raises_or_is_endless_stops_no_other(store: Store) -> None:
    many = [used(0.1, f"disk:/{number}") for number in range(MOST_READINGS + 1)]
    odd = [used(float("nan")), used(float("inf")), used(0.3, "x\0" * 400)]
    watched = Watched(
        store,
        {
            "raises": scripted(ValueError("unforeseen"), ValueError("unforeseen")),
            "endless": scripted(many, many),
            "odd": scripted(odd, odd),
            "good": scripted([used(0.5)], [used(0.5)]),
        },
    )
    with pytest.raises(ValueError, match="unforeseen"):
        watched.group.read("raises")
    watched.names.remove("raises")
    watched.step()
    found = watched.figures()
    assert found["resource_used_share", "disk:/"].value == 0.5
    failures = watched.group.failures()
    assert failures["raises"].reason == "ValueError: unforeseen"
    assert "501 figures, more than 500" in failures["endless"].reason
    assert sum(metric == "resource_used_share" for metric, _ in found) == 2


def test_only_the_daemon_that_judges_reads_what_all_could_read(store: Store) -> None:
    watched = Watched(store, {"jobs": scripted([Reading(Quantity.QUEUE_DEPTH, "q", 1)])})
    watched.is_leader = False
    watched.step()
    assert watched.figures() == {
        ("gauge_failing_seconds", ""): watched.figures()["gauge_failing_seconds", ""]
    }
    watched.is_leader = True
    watched.step()
    assert watched.figures()["queue_depth", "q"].value == 1


def test_readings_wait_while_the_database_is_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(store, {"host": scripted([used(0.2)], [used(0.4)])})
    watched.group.read("host")
    with monkeypatch.context() as away:
        away.setattr(gauges, "add", _refuse)
        with pytest.raises(OSError, match="away"):
            watched.group.write()
    watched.step(60)
    assert watched.figures()["resource_used_share", "disk:/"].value == pytest.approx(0.3)


def _refuse(*_: object) -> None:
    msg = "the database is away"
    raise OSError(msg)


def test_a_queue_that_is_behind_fires_for_its_model_which_has_sent_nothing_and_is_on_metrics(
    tmp_path: Path,
) -> None:
    depth = [5]
    with endpoint(lambda: f'vllm:num_requests_waiting{{model_name="m"}} {depth[0]}\n') as url:
        llm = {
            "kind": "model_server", "server": "vllm", "url": f"{url}/metrics",
            "client": "acme", "model": "llm", "max_waiting": 10,
        }  # fmt: skip
        config = Config.model_validate(
            {
                "store": {"url": f"sqlite:///{tmp_path}/a.db"},
                "notify": {"console": False, "file": {"path": str(tmp_path / "told")}},
                "web": {"listen": f"127.0.0.1:{free_port()}"},
                "gauges": {"llm": llm, "machine": {"kind": "machine", "disks": ["/"]}},
            }
        )
        clock = ManualClock(NOW)
        app = App(config, clock)
        app.tick()

        def pass_minutes(minutes: int) -> None:
            for _ in range(minutes):
                for name in config.gauges:
                    app.gauges.read(name)
                app.gauges.write()
                for _ in range(12):
                    clock.advance(5)
                    app.tick()

        def told() -> list[str]:
            with app.store.read() as connection:
                return [one.rule for one in alerts.load(connection).values() if one.is_open]

        pass_minutes(3)
        assert told() == []
        depth[0] = 40
        pass_minutes(4)
        assert told() == ["QueueBacklog"]
        seen = app.pipeline.measured()
        assert any(one.metric == "queue_depth" for one in seen[Stream("acme", "llm"), OPEN])
        assert any(one.label("resource") == "disk:/" for one in seen[DAEMON, OPEN])
        exported = SampleSet(BY_NAME, 1000)
        gauge_samples.write(exported, seen, "acme")
        assert 'gauge="llm",metric="queue_depth",model="llm",resource="requests"} 40.0' in text(
            exported, open_metrics=False
        )
        depth[0] = 0
        pass_minutes(6)
        assert told() == []
        app.store.close()


def test_queries_to_a_real_prometheus(tmp_path: Path) -> None:
    with endpoint(lambda: 'used_bytes{pod="a"} 3\nlimit_bytes{pod="a"} 4\njobs_total 5\n') as url:
        target = url.removeprefix("http://")
        with prometheus(tmp_path / "prometheus", target) as server:
            section = PrometheusSettings.model_validate(
                {
                    "url": server.url,
                    "queries": [
                        {
                            "query": "used_bytes / on(pod) limit_bytes",
                            "quantity": "used_share",
                            "resource": "memory:{pod}",
                        },
                        {"query": "scalar(jobs_total)", "quantity": "queue_depth"},
                        {"query": "nothing_like_this", "quantity": "queue_age"},
                        {"query": "used_bytes / 0 - used_bytes / 0", "quantity": "queue_age"},
                    ],
                }
            )
            until(lambda: server.query("used_bytes"), "it is scraped")
            found = {(one.quantity, one.resource): one.value for one in section.make_reader().read()}
            assert found == {(Quantity.USED_SHARE, "memory:a"): 0.75, (Quantity.QUEUE_DEPTH, ""): 5}
            for query, reason in (
                ("nothing_like_this", "has a result"),
                ("rate(x", "HTTP 400"),
                ("x[5m]", "a matrix"),
            ):
                asked = section.model_copy(
                    update={"queries": (section.queries[0].model_copy(update={"query": query}),)}
                )
                with pytest.raises(GaugeError, match=reason):
                    asked.make_reader().read()


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "[]",
        "null",
        '{"data": 5}',
        '{"data": {"resultType": "vector", "result": 5}}',
        "[" * 5000,
        "<html>",
    ],
)
def test_what_does_not_answer_as_prometheus_is_told(answer: str) -> None:
    with endpoint(lambda: answer) as url, pytest.raises(GaugeError, match=r"Prometheus|vector"):
        section = PrometheusSettings.model_validate(
            {"url": url, "queries": [{"query": "up", "quantity": "queue_depth"}]}
        )
        section.make_reader().read()


def test_a_partial_answer_is_unknown() -> None:
    data = {"resultType": "vector", "result": [{"metric": {}, "value": [0, "1"]}]}
    answer = json.dumps({"status": "success", "data": data, "warnings": ["a store did not answer"]})
    with endpoint(lambda: answer) as url, pytest.raises(GaugeError, match="gave a partial response"):
        section = PrometheusSettings.model_validate(
            {"url": url, "queries": [{"query": "up", "quantity": "queue_depth"}]}
        )
        section.make_reader().read()
