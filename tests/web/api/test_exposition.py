"""What Prometheus is told."""

import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from monitor.exporters import model_samples
from monitor.exporters.metric_names import EXPORTED
from monitor.exporters.model_samples import Model
from monitor.exporters.prediction_counters import PredictionCounters
from monitor.exporters.samples import SampleSet
from monitor.exporters.settings import MetricsSettings
from monitor.predictions.log.batch import encode
from monitor.records import Measurement, Stream, Window, labels
from monitor.store import api_keys, predictions
from monitor.store.api_keys import KeyKind
from monitor.store.predictions import NewBatch
from monitor.web.settings import WebSettings
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout.from_table import BARE
from tests.support import clients
from tests.support.clients import CHURN, FRAUD, NOW, PRICE, Shop, fire
from tests.support.server import serving

HOUR = Window(int(NOW) - 3600, int(NOW))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = clients.opened(tmp_path_factory.mktemp("exposition"), hours=2)
    fire(made)
    return made


def drift(stream=FRAUD, features=3, value=0.1):
    found = [
        Measurement(stream, HOUR, "psi", value + index / 1000, n=1000, labels=labels(feature=f"f{index:03d}"))
        for index in range(features)
    ]
    found.append(Measurement(stream, HOUR, "drifted_share", 0.3, n=1000))
    found.append(Measurement(stream, HOUR, "accuracy", 0.79, "share", "higher", n=500, baseline=0.91))
    found.append(Measurement(stream, HOUR, "automation_rate", 0.6, "share", "higher", n=500))
    return {(stream, 3600): found}


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in plain(text)
        for sample in family.samples
    }


def test_promtool_finds_nothing_to_mend(shop: Shop) -> None:
    with serving(shop, measured=drift, channels=("pagerduty", "email")) as client:
        text = client.get("/metrics").text
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_each_name_is_a_known_one(shop: Shop) -> None:
    with serving(shop, measured=drift) as client:
        text = client.get("/metrics").text
    known = {exported.name.removesuffix("_info") for exported in EXPORTED}
    assert {family.name.removesuffix("_info") for family in plain(text)} <= known


def test_no_series_comes_twice_when_figures_are_measured_more_finely(shop: Shop) -> None:
    """Against a season or the version before, by segment, by class: Prometheus refuses a series that comes twice."""

    def finely():
        found = drift()
        for extra in ("against", "class", "segment"):
            more = labels(feature="f001", **{extra: "x"})
            found[FRAUD, 3600].append(Measurement(FRAUD, HOUR, "psi", 9.0, n=1000, labels=more))
            one = Measurement(
                FRAUD, HOUR, "accuracy", 0.5, "share", "higher", n=500, labels=labels(against=extra)
            )
            found[FRAUD, 3600].append(one)
            out = labels(output="prediction", against=extra)
            found[FRAUD, 3600].append(Measurement(FRAUD, HOUR, "psi", 9.0, n=1000, labels=out))
        return found

    with serving(shop, measured=finely) as client:
        text = client.get("/metrics").text
    series = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series))
    assert 'watchkeeper_performance_value{client="acme",environment="production",kind="realized"' in text
    own = [line for line in text.splitlines() if not line.startswith("watchkeeper_compared_")]
    assert not any(line.endswith(" 9.0") for line in own)


def test_changes_of_the_schema_are_counted_by_their_kind_and_named(shop: Shop) -> None:
    def changed():
        found = drift()
        about = [{}, *({"feature": f"new{n}", "change": "added"} for n in range(3))]
        about.append({"feature": "amount", "change": "type"})
        found[FRAUD, 3600] += [
            Measurement(FRAUD, HOUR, "schema_changes", 1.0, n=500, labels=labels(**one)) for one in about
        ]
        return found

    settings = WebSettings(metrics=MetricsSettings(max_features=3))
    with serving(shop, settings=settings, measured=changed) as client:
        told = samples(client.get("/metrics").text)
    counts = {dict(of)["change"]: n for (name, of), n in told.items() if name == "watchkeeper_schema_changes"}
    assert counts == {"added": 3, "vanished": 0, "type": 1, "filled": 0, "notation": 0}
    name = "watchkeeper_feature_schema_change"
    assert {(dict(of)["feature"], dict(of)["change"]) for found, of in told if found == name} == {
        ("amount", "type"),
        ("new0", "added"),
        ("new1", "added"),
    }
    assert told["watchkeeper_metric_series_dropped_total", (("metric", name),)] == 1
    with serving(shop, measured=drift) as client:
        assert "\nwatchkeeper_schema_changes{" not in client.get("/metrics").text


def test_season_and_version_before_have_series_of_their_own(shop: Shop) -> None:
    def compared():
        found = drift()
        for against, score in (("season", 0.02), ("previous_version", 0.4)):
            for metric, value, usual, more in (
                ("error_rate", 0.1, score / 2, {}),
                ("drifted_share", score, None, {}),
                ("psi", score, None, {"output": "prediction"}),
                ("psi", 7.0, None, {"feature": "f001"}),
            ):
                about = labels(against=against, **more)
                found[FRAUD, 3600].append(
                    Measurement(FRAUD, HOUR, metric, value, n=500, labels=about, baseline=usual)
                )
        return found

    with serving(shop, measured=compared) as client:
        told = samples(client.get("/metrics").text)
    found = {
        (name, dict(of).get("against"), dict(of).get("metric")): value for (name, of), value in told.items()
    }
    assert found["watchkeeper_compared_value", "season", "error_rate"] == 0.01
    assert found["watchkeeper_compared_value", "previous_version", "error_rate"] == 0.2
    assert found["watchkeeper_compared_drifted_features_ratio", "season", None] == 0.02
    assert found["watchkeeper_compared_prediction_drift_score", "previous_version", None] == 0.4
    assert 7.0 not in told.values()


def test_what_was_not_measured_beside_a_further_baseline_has_no_series(shop: Shop) -> None:
    def unmeasured():
        about = labels(against="season")
        why = {"reason": "12 rows of 100 needed"}
        return {
            (FRAUD, 3600): [
                Measurement(FRAUD, HOUR, "drifted_share", None, labels=about, **why),
                Measurement(FRAUD, HOUR, "error_rate", None, labels=about, **why),
                Measurement(
                    FRAUD, HOUR, "psi", None, labels=labels(against="season", output="prediction"), **why
                ),
            ]
        }

    with serving(shop, measured=unmeasured) as client:
        told = samples(client.get("/metrics").text)
    assert not [name for name, _ in told if name.startswith("watchkeeper_compared_")]


def test_a_captured_sample_is_told_beside_its_counts(shop: Shop) -> None:
    acme = shop.clients["acme"].model_copy(update={"sampled": {"fraud": 0.2}})
    sampled = Shop(shop.store, shop.clock, {**shop.clients, "acme": acme})
    with serving(sampled) as client:
        found = samples(client.get("/metrics").text)
        answer = client.get("/api/v1/clients/acme").json()
    shares = {
        dict(of)["model"]: value for (name, of), value in found.items() if name == "watchkeeper_sampled_ratio"
    }
    assert shares == {"fraud": 0.2}
    assert {one["model"]: one["sampled"] for one in answer["models"]}["fraud"] == 0.2
    assert {one["sampled"] for one in answer["models"] if one["model"] != "fraud"} <= {None}


def test_a_firing_critical_alert_makes_the_model_critical(shop: Shop) -> None:
    with serving(shop) as client:
        found = samples(client.get("/metrics").text)
    b = (("client", "acme"), ("environment", "production"), ("model", "fraud"))
    assert found["watchkeeper_model_state", b] == 3
    assert found["watchkeeper_alerts_active", tuple(sorted((*b, ("severity", "critical"))))] == 1
    churn = (("client", "acme"), ("environment", "production"), ("model", "churn"))
    assert found["watchkeeper_model_state", churn] == 0


def test_openmetrics_is_spoken_when_asked_for(shop: Shop) -> None:
    with serving(shop, measured=drift) as client:
        answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert list(open_metrics(answer.text))


def test_the_worst_features_are_kept_and_the_others_counted(shop: Shop) -> None:
    settings = WebSettings(metrics=MetricsSettings(max_features=50))
    with serving(shop, measured=lambda: drift(features=500), settings=settings) as client:
        client.get("/metrics")
        found = samples(client.get("/metrics").text)
    shown = {dict(key)["feature"] for name, key in found if name == "watchkeeper_feature_drift_score"}
    assert shown == {f"f{index:03d}" for index in range(450, 500)}
    key = ("watchkeeper_metric_series_dropped_total", (("metric", "watchkeeper_feature_drift_score"),))
    assert found[key] >= 450


def test_a_daemon_never_exports_more_than_its_limit(shop: Shop) -> None:
    settings = WebSettings(metrics=MetricsSettings(max_series=100))
    with serving(shop, measured=lambda: drift(features=500), settings=settings) as client:
        client.get("/metrics")
        found = samples(client.get("/metrics").text)
    models = [key for key in found if any(label == "model" for label, _ in key[1])]
    assert len(models) <= 100
    assert sum(value for (name, _), value in found.items() if name.endswith("series_dropped_total")) > 0


@pytest.mark.parametrize("limits", [{"max_series": 100}, {}])
def test_models_for_which_no_room_or_no_time_is_left_are_counted_and_cost_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int]
) -> None:
    written: list[Stream] = []
    write = model_samples.write

    def note(to: SampleSet, model: Model, *rest: Any) -> None:
        written.append(model.figures.stream)
        write(to, model, *rest)

    monkeypatch.setattr(model_samples, "write", note)
    settings = WebSettings(metrics=MetricsSettings(**limits))
    hurry = {} if limits else {"X-Prometheus-Scrape-Timeout-Seconds": "0.000001"}
    with serving(shop, measured=lambda: drift(features=500), settings=settings) as client:
        assert client.get("/metrics", headers=hurry).status_code == 200
        first = list(written)
        found = samples(client.get("/metrics", headers=hurry).text)
    everything = {FRAUD, CHURN, PRICE}
    assert len(first) < len(everything)
    assert found["watchkeeper_metric_series_dropped_total", (("metric", "watchkeeper_model"),)] >= len(
        everything.difference(first)
    )
    assert any(name == "watchkeeper_build_info" for name, _ in found), "the daemon's own are there"


@pytest.mark.parametrize("said", ["", "0", "-1", "NaN", "soon", "1e400"])
def test_a_scraper_that_says_no_usable_time_is_answered_in_the_usual_one(shop: Shop, said: str) -> None:
    with serving(shop, measured=drift) as client:
        answer = client.get("/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": said})
    assert answer.status_code == 200
    models = {dict(of)["model"] for name, of in samples(answer.text) if name == "watchkeeper_model_state"}
    assert models == {FRAUD.model, CHURN.model, PRICE.model}


def test_a_client_s_address_tells_of_that_client_only(shop: Shop) -> None:
    with serving(shop, measured=drift) as client:
        text = client.get("/c/acme/metrics").text
        assert client.get("/c/nobody/metrics").status_code == 404
    assert "globex" not in text
    assert 'client="acme"' in text
    assert "watchkeeper_build_info" not in text


def test_a_key_bound_to_a_client_opens_that_client_s_series_only(tmp_path: Path) -> None:
    own = clients.opened(tmp_path, hours=1)
    with own.store.write() as connection:
        _, token = api_keys.create(connection, KeyKind.METRICS, "globex", NOW)
    with serving(own) as client:
        bearer = {"Authorization": f"Bearer {token}"}
        assert client.get("/c/globex/metrics", headers=bearer).status_code == 200
        assert client.get("/c/acme/metrics", headers=bearer).status_code == 404
        assert client.get("/metrics", headers=bearer).status_code == 404
        assert client.get("/metrics").status_code == 401


def test_ten_thousand_series_come_in_one_answer(shop: Shop) -> None:
    settings = WebSettings(metrics=MetricsSettings(max_features=4000, max_series=20_000))
    both = {**drift(FRAUD, 3400), **drift(CHURN, 100)}
    with serving(shop, measured=lambda: both, settings=settings) as client:
        text = client.get("/metrics").text
    assert text.count("\nwatchkeeper_") > 10_000


def test_a_slow_bucket_leads_to_a_prediction(tmp_path: Path) -> None:
    own = clients.opened(tmp_path, hours=1)
    rows = pa.RecordBatch.from_pydict(
        {
            "id": ["quick", "slow", None],
            "timestamp": pa.array([int(NOW) * 1_000_000 - 5_000_000] * 3, pa.int64()),
            "version": pa.array(["7", "7", "7"]).dictionary_encode(),
            "latency_ms": pa.array([8.0, 700.0, 20.0]),
        }
    )
    window = Window(int(NOW) - 60, int(NOW))
    totals = PredictionCounters()
    totals.add(FRAUD, window, count(rows, BARE), NOW)
    with own.store.write() as connection:
        stored = NewBatch(FRAUD, window, 3, NOW - 5, b"d", b"", encode(rows))
        predictions.put(connection, [stored], NOW)
        connection.execute(predictions.BATCHES.delete().where(predictions.BATCHES.c.digest != b"d"))
    with serving(own, counters=totals) as client:
        answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert "prediction_id" not in client.get("/metrics").text
    told = [
        (sample.labels["le"], sample.exemplar.labels["prediction_id"], sample.exemplar.value)
        for family in open_metrics(answer.text)
        for sample in family.samples
        if sample.exemplar is not None
    ]
    assert told == [("0.01", "quick", 0.008), ("1.0", "slow", 0.7)]
