"""The model page's section on resources and queues."""

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.metrics import MetricInfo
from monitor.metrics.system import resources
from monitor.records import Measurement, Stream, Window, labels
from monitor.rules.engine.readings import OPEN
from monitor.web.pages.model.capacity import of_measurements
from tests.support import clients
from tests.support.clients import FRAUD, NOW, Shop
from tests.support.server import serving

PAGE = "/staff/m/acme/fraud/production"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return clients.opened(Path(tmp_path_factory.mktemp("capacity")), hours=2)


def figure(info: MetricInfo, value: float | None, resource: str, reason: str = "") -> Measurement:
    where = labels(gauge="machine/gpu-1", resource=resource)
    window = Window(int(NOW) - 300, int(NOW))
    return Measurement(FRAUD, window, info.name, value, info.unit, labels=where, reason=reason)


MEASURED = [
    figure(resources.RESOURCE_HOURS_LEFT, None, "disk:/<b>\u202e", "it does not rise"),
    figure(resources.RESOURCE_USED_SHARE, 0.873, "disk:/<b>\u202e"),
    figure(resources.QUEUE_DEPTH, 1250.0, "jobs"),
    figure(resources.QUEUE_AGE_SECONDS, 90.0, "jobs"),
]


def test_each_resource_has_one_row_with_its_figures_in_order() -> None:
    disk, jobs = of_measurements(MEASURED)
    assert disk.figures == (("used", "87.3 %"),)
    assert disk.reasons == ("used up in: it does not rise",)
    assert jobs.figures == (("waiting", "1,250 messages"), ("oldest", "90 s"))


def test_every_metric_of_a_resource_has_its_word() -> None:
    metrics = [info for info in resources.INFO if "resource" in info.labels]
    shown = of_measurements([figure(info, 1.0, "r") for info in metrics])
    assert len(shown[0].figures) == len(metrics)


def test_the_page_shows_them_and_a_model_without_gauges_has_no_such_section(shop: Shop) -> None:
    with serving(shop, measured=lambda: {(FRAUD, OPEN): MEASURED}) as web:
        page = web.get(PAGE).text
    assert "used 87.3 %" in page
    assert "waiting 1,250 messages, oldest 90 s" in page
    assert "used up in: it does not rise" in page
    assert "<b>" not in page.partition("<h2>Capacity</h2>")[2].partition("<h2>")[0]
    with serving(shop) as web:
        assert "<h2>Capacity</h2>" not in web.get(PAGE).text


def test_a_model_that_only_gauges_know_has_a_page(shop: Shop) -> None:
    stream = Stream("acme", "ranker", "staging")
    page = "/staff/m/acme/ranker/staging"
    of_ranker = [replace(one, stream=stream) for one in MEASURED]
    with serving(shop, measured=lambda: {(stream, OPEN): of_ranker}) as web:
        answer = web.get(page)
    assert answer.status_code == 200
    assert "This model has sent no data, but gauges watch its resources" in answer.text
    assert "waiting 1,250 messages, oldest 90 s" in answer.text
    with serving(shop) as web:
        assert web.get(page).status_code == 404
