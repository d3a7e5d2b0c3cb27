"""The exporters of a daemon: what they send is what `/metrics` shows at that moment."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.exporters.prometheus.text import encode
from monitor.exporters.push.group import ExporterGroup
from monitor.web.api.exposition import collector
from monitor.web.services import Services
from tests.support import clients
from tests.support.clients import NOW, fire
from tests.support.metric_intakes import OtlpIntake, metrics_of
from tests.support.server import services

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def shown(behind: Services, client: str, own: Iterable[Family]) -> Series:
    """The series of `/metrics`; of histograms, how many values there are."""
    text, _ = encode(collector(behind).collect(client), "", own)
    return {
        (
            sample.name.removesuffix("_count"),
            frozenset((k, v) for k, v in sample.labels.items() if v),
        ): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if "exporter" not in sample.name and (family.type != "histogram" or sample.name.endswith("_count"))
    }


def sent(messages: Iterable[ExportMetricsServiceRequest]) -> Series:
    """The series that arrived."""
    found: Series = {}
    for metric in (metric for message in messages for metric in metrics_of(message)):
        data: Any = getattr(metric, metric.WhichOneof("data") or "gauge")
        for point in data.data_points:
            labels = frozenset((one.key, one.value.string_value) for one in point.attributes)
            value = float(point.count) if hasattr(point, "bucket_counts") else point.as_double
            if "exporter" not in metric.name:
                found[metric.name, labels] = value
    return found


def test_an_exporter_sends_what_metrics_shows_and_of_a_client_what_its_key_could_read(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=2)
    fire(shop)
    behind = services(shop, channels=("pagerduty", "email"))
    with OtlpIntake() as everything, OtlpIntake() as of_acme:
        sections = {
            "everything": {"kind": "otlp", "url": f"{everything.url}/v1/metrics"},
            "acme": {"kind": "otlp", "url": f"{of_acme.url}/v1/metrics", "clients": ["acme"]},
        }
        settings = Config.model_validate({"exporters": sections}).exporters
        make, clock = partial(collector, behind), ManualClock(NOW)
        group = ExporterGroup(settings, make, behind.meters, clock, shop.store.faults)
        behind.meters.cycle(0.3, NOW)
        for runner in group.runners:
            runner.step()
        group.stop()
    expected = shown(behind, "", behind.meters.registry.collect())
    assert len(expected) > 30
    assert {dict(labels).get("client") for _, labels in expected} > {"acme"}
    assert sent(everything.accepted) == expected
    assert sent(of_acme.accepted) == shown(behind, "acme", ())
    assert {dict(labels).get("client") for _, labels in sent(of_acme.accepted)} == {"acme"}
    values = {
        sample.labels["exporter"]: sample.value
        for family in behind.meters.registry.collect()
        if family.name == "watchkeeper_exporter_points"
        for sample in family.samples
        if sample.labels["outcome"] == "sent"
    }
    assert values["everything"] > values["acme"] > 0
