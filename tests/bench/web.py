"""What a reader and a scraper wait for: pages, `/metrics`, and the ingest while it is scraped.

The web on a store that was filled, and a real daemon with two hundred streams under a steady load.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx2
import numpy as np
import pyarrow as pa

from monitor.exporters.settings import MetricsSettings
from monitor.records import Measurement, Window, labels
from monitor.store import streams
from monitor.web.settings import WebSettings
from monitor.windows import baseline
from tests.bench.ingest import JSON, json_body
from tests.bench.line import Line, against_goal, show
from tests.bench.load import Orders
from tests.support import clients, wide
from tests.support.clients import CHURN, FRAUD, NOW
from tests.support.daemon import ROOT, Daemon
from tests.support.measuring import measuring_daemon
from tests.support.server import serving
from tests.support.waiting import until

STREAMS, RATE, SECONDS = 200, 100.0, 10


def measure() -> list[Line]:
    """All lines."""
    return [
        show(line)
        for line in (
            _scrape(),
            _page(),
            *_overviews(),
            *_model_pages(),
            *_feature_pages(),
            *_while_ingesting(),
        )
    ]


def _best(work: Callable[[], object], times: int = 3) -> float:
    """Milliseconds of CPU of this process, which serves and asks; the least of a few."""
    took = []
    for _ in range(times):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took) * 1000


def _scrape() -> Line:
    window = Window(int(NOW) - 60, int(NOW))
    found = [
        Measurement(FRAUD, window, metric, 0.1, labels=labels(feature=f"f{n}"), n=1000)
        for n in range(3500)
        for metric in ("psi", "kolmogorov_smirnov", "missing_share")
    ]
    settings = WebSettings(metrics=MetricsSettings(max_features=4000, max_series=20_000))
    with tempfile.TemporaryDirectory() as folder:
        shop = clients.opened(Path(folder), hours=1)
        with serving(shop, measured=lambda: {(FRAUD, 3600): found}, settings=settings) as client:
            series = client.get("/metrics").text.count("\nwatchkeeper_")
            took = _best(lambda: client.get("/metrics"))
    return against_goal(f"web, /metrics of {series:,} series, CPU", took, 500, "ms")


def _page() -> Line:
    with tempfile.TemporaryDirectory() as folder, serving(clients.crowded(Path(folder))) as client:
        client.get("/healthz")
        took = _best(lambda: client.get("/c/acme/"), times=1)
    return against_goal("web, first view of a page of 100 models and 90 days, CPU", took, 300, "ms")


def _overviews() -> list[Line]:
    """The engineers' overview of models that were measured each minute for three hours and each hour for a week."""
    lines = []
    for amount in (1, 20, STREAMS):
        with tempfile.TemporaryDirectory() as folder:
            shop = clients.opened(Path(folder), hours=7 * 24, streams=(CHURN,))
            _copied(shop, amount - 1)
            with serving(shop) as client:
                assert client.get("/staff/").text.count('<tr class="row') == amount
                took = _best(lambda: client.get("/staff/"))
        lines.append(against_goal(f"web, overview of {amount} models, CPU", took, 300, "ms"))
    return lines


def _model_pages() -> list[Line]:
    """The engineers' page of a model with 500 features that was measured each hour for 30 days, over three ranges."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        shop = clients.opened(Path(folder), hours=30 * 24, streams=(FRAUD,))
        with shop.store.write() as connection:
            for index in range(30 * 24):
                wide.put_hour(connection, FRAUD, int(NOW) - 3600 * (index + 1), 500)
        with serving(shop) as client:
            for query in ("span=3h", "span=30d", "span=30d&split=version"):
                address = f"/staff/m/acme/fraud/production?{query}"
                assert client.get(address).status_code == 200
                took = _best(partial(client.get, address))
                lines.append(against_goal(f"web, model page of 500 features, {query}, CPU", took, 300, "ms"))
    return lines


def _feature_pages() -> list[Line]:
    """The pages of a model with 500 features, of an hour in which each minute was counted; one alert is open."""
    lines, random = [], np.random.default_rng(1)
    names = [wide.name_of(number) for number in range(500)]
    hour = int(NOW) - int(NOW) % 3600
    with tempfile.TemporaryDirectory() as folder, measuring_daemon(Path(folder), hour + 3590.0) as daemon:
        reference = pa.table({name: random.normal(size=2000) for name in names})
        with daemon.store.write() as connection:
            made = baseline.from_table(FRAUD, reference, NOW)
            baseline.save(connection, made, NOW)
            for index in range(7 * 24):
                wide.put_hour(connection, FRAUD, hour - 3600 * index, 500)
        for minute in range(60):
            features = dict(zip(names, random.normal(size=500).tolist(), strict=True))
            daemon.predict(10, hour + 60.0 * minute, features=features)
        daemon.count()
        shop = clients.Shop(daemon.store, daemon.clock, clients.CLIENTS)
        with serving(shop) as client:
            home = "/staff/m/acme/fraud/production"
            table = f"{home}/features"
            alert = clients.fire(shop, FRAUD, at=hour + 600.0, rule="HighErrorRate")
            told = f"/staff/alerts/{alert.fingerprint}"
            for address in (home, table, f"{table}?page=all", f"{table}/{names[7]}", told):
                assert client.get(address).status_code == 200
                took = _best(partial(client.get, address))
                shown = address.removeprefix(home) or "model page"
                lines.append(against_goal(f"web, 500 features, {shown}, CPU", took, 300, "ms"))
    return lines


def _copied(shop: clients.Shop, copies: int) -> None:
    """Further models with the measurements of the first one."""
    with shop.store.write() as connection:
        number = streams.find(connection, CHURN)
        for index in range(copies):
            key = streams.key(connection, replace(CHURN, model=f"model-{index:03d}"), NOW - 30)
            columns = "seconds, part, start, shape, figures, reasons"
            connection.exec_driver_sql(
                f"INSERT INTO measurements (stream, {columns}) SELECT ?, {columns} FROM measurements WHERE stream = ?",
                (key, number),
            )


def _while_ingesting() -> list[Line]:
    with tempfile.TemporaryDirectory() as folder, Daemon(Path(folder), loads_itself=True) as daemon:
        for n in range(STREAMS):
            body = json_body(20).replace(b'"fraud", "version"', b'"model-%03d", "version"' % n)
            assert httpx2.post(f"{daemon.url}/v1/predictions", content=body).status_code == 202
        until(lambda: "model-199" in daemon.get("/metrics").text, "all streams are measured", 60)
        began = time.perf_counter()
        assert daemon.get("/c/acme/").status_code == 200
        idle = (time.perf_counter() - began) * 1000
        alone, _ = _under_load(daemon, scraping=False)
        scraped, scrapes = _under_load(daemon, scraping=True)
    p99 = [float(np.quantile(seconds, 0.99)) * 1000 for seconds in (alone, scraped)]
    return [
        against_goal(f"web, first view of a page of {STREAMS} models on an idle daemon", idle, 300, "ms"),
        against_goal(
            f"web, /metrics of {STREAMS} streams under ingest, longest", max(scrapes) * 1000, 500, "ms"
        ),
        against_goal(f"web, p99 of {RATE:.0f} single posts/s, not scraped", p99[0], 250, "ms"),
        against_goal(f"web, p99 of {RATE:.0f} single posts/s, scraped each second", p99[1], 250, "ms"),
    ]


def _under_load(daemon: Daemon, *, scraping: bool) -> tuple[list[float], list[float]]:
    """Seconds that posts and scrapes waited for their answers."""
    body = daemon.folder / "body"
    body.write_bytes(json_body(1))
    orders = Orders(
        daemon.port,
        "/v1/predictions",
        JSON,
        str(body),
        int(RATE * SECONDS),
        32,
        RATE,
        60.0,
        1 + scraping * 10**6,
    )
    command = [sys.executable, "-m", "tests.bench.load"]
    scrapes = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as load:
        assert load.stdin is not None
        load.stdin.write(json.dumps(orders.__dict__))
        load.stdin.close()
        load.stdin = None
        while scraping and load.poll() is None:
            began = time.perf_counter()
            daemon.get("/metrics")
            scrapes.append(time.perf_counter() - began)
            time.sleep(1)
        said, _ = load.communicate(timeout=60)
    return json.loads(said)["latencies"], scrapes


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    measure()
