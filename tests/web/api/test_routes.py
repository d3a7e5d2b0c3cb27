"""The JSON API: what it says conforms to its own description, and nobody learns of a stranger's client."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pyarrow as pa
import pytest
from scipy.stats import binomtest

from monitor.records import Measurement, Stream, Window, labels
from monitor.store import api_keys, audit, measurements, predictions, profiles, releases, rollbacks, rollouts
from monitor.store.api_keys import KeyKind
from monitor.store.predictions import NewBatch
from monitor.store.profiles import StoredProfile
from monitor.store.releases import Release
from monitor.store.rollbacks import Rollback, RollbackState
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep, Stage, StoredCheck
from monitor.web.api.change import Nothing
from monitor.web.api.staff import model_routes, operation_routes
from monitor.web.api.staff_changes import CHANGES
from monitor.windows import codec
from monitor.windows.kernel.count_rows import count
from monitor.windows.rolling import current_layout
from tests.support import clients
from tests.support.clients import FRAUD, NOW, PRICE, Shop, fire, resolve
from tests.support.server import serving
from tests.support.waiting import until

MODEL = "/api/v1/clients/acme/models/fraud"
OF_ACME = (
    "/api/v1/clients/acme",
    "/api/v1/clients/acme/incidents",
    f"{MODEL}/days",
    f"{MODEL}/measurements",
    f"{MODEL}/measurements/latency_p50",
    f"{MODEL}/releases",
    f"{MODEL}/rollbacks",
    f"{MODEL}/rollouts",
)
FOR_STAFF = (
    "/api/v1/clients/acme/alerts",
    f"{MODEL}/measurements/psi?of=feature=amount",
    "/api/v1/clients/acme/models/fraud/measurements?environment=development",
    f"{MODEL}/releases?environment=development",
    f"{MODEL}/rollbacks?environment=development",
    f"{MODEL}/rollouts?environment=development",
    f"{MODEL}/signals",
    "/api/v1/quarantine?client=acme",
)
HOSTILE = "\u202e\u2028\r\n<b>'\"{{7*7}}"
DECIDED = Rollback(
    FRAUD, f"8{HOSTILE}", "HighErrorRate", "on", "a" * 12, "rollback", RollbackState.VERIFIED, "webhook", "7",
    f"40% fail {HOSTILE}", "HighErrorRate", NOW - 900, NOW - 899, NOW - 898, NOW - 600, "done", 0.4, 0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = clients.opened(tmp_path_factory.mktemp("api"), hours=48)
    fire(made)
    resolve(made, fire(made, at=NOW - 30 * 3600, rule="HighErrorRate"), NOW - 29 * 3600)
    trial = Stream("acme", "fraud", "development")
    window = Window(int(NOW) - 3600, int(NOW))
    psi = Measurement(FRAUD, window, "psi", 0.3, n=100, labels=labels(feature="amount"), p_value=0.01)
    none = Measurement(FRAUD, window, "accuracy", None, reason="12 rows of 100 needed")
    share = Measurement(FRAUD, window, "error_rate", 0.004, "share", n=5000, low=0.002, high=0.006)
    with made.store.write() as connection:
        batch = NewBatch(trial, Window(int(NOW) - 60, int(NOW)), 5, NOW - 30, b"trial", b"", clients._rows())
        predictions.put(connection, [batch], NOW - 20)
        measurements.put(connection, trial, window, [psi], NOW)
        measurements.put(connection, FRAUD, window, [psi, none, share], NOW)
        releases.add(connection, Release(FRAUD, "8", "a" * 64, NOW, NOW))
        rollbacks.add(connection, DECIDED)
        for number in range(1, 6):
            one = Rollout(
                FRAUD, number, f"8{HOSTILE}", "7", (Stage(5, 600), Stage(100, 1800)), NOW - 900, "ada"
            )
            rollouts.start(
                connection, one, RolloutStep(1, NOW - 900, RolloutState.RUNNING, 0, 5.0, "started by ada")
            )
            check = StoredCheck("failures", "fail", f"40% fail {HOSTILE}", 412.0, 0.4, 0.01, "share", 0.3)
            failed = RolloutStep(2, NOW - 600, RolloutState.FAILED, 0, 0.0, "version 8 is worse", (check,))
            rollouts.add(connection, one, failed)
        unseen = {
            "dry-run": RollbackState.CONFIRMED,
            "drill": RollbackState.FAILED,
            "on": RollbackState.WITHHELD,
        }
        for number, (mode, state) in enumerate(unseen.items()):
            row = replace(
                DECIDED, mode=mode, id=f"{number:012d}", trigger="HighLatency", sent_at=None, state=state
            )
            rollbacks.add(connection, replace(row, decided_at=NOW - 60 * number))
    return made


def key(shop: Shop, kind: KeyKind, client: str = "") -> dict[str, str]:
    with shop.store.write() as connection:
        return {"Authorization": f"Bearer {api_keys.create(connection, kind, client, NOW)[1]}"}


def told(web: httpx2.Client, path: str, headers: dict[str, str]) -> Any:
    answer = web.get(path, headers=headers)
    assert answer.status_code == 200, (path, answer.text)
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


READ_BY_COMMANDS = {
    re.sub(r":\w+", "", next(iter(one.paths))) for one in (*model_routes.ROUTES, *operation_routes.ROUTES)
}
"""`tests/cli/test_lists.py` reads their answers as the records that the description is made of."""


def closed(schema: Any) -> Any:
    """A description in which an object has the fields that it names and no other."""
    if isinstance(schema, dict):
        inner = {name: closed(one) for name, one in schema.items()}
        is_record = isinstance(inner.get("properties"), dict) and "type" in inner
        return {"additionalProperties": False, **inner} if is_record else inner
    return [closed(one) for one in schema] if isinstance(schema, list) else schema


def test_every_answer_is_what_the_description_says(shop: Shop) -> None:
    staff = key(shop, KeyKind.STAFF)
    with serving(shop) as web:
        document = closed(told(web, "/api/v1/openapi.json", {}))
        for path, operations in document["paths"].items():
            if "get" not in operations or path in READ_BY_COMMANDS:
                continue
            schema = operations["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            asked = path.format(client="acme", model="fraud", metric="error_rate")
            answer = told(web, asked, staff)
            jsonschema.Draft202012Validator(schema | {"components": document["components"]}).validate(answer)
            assert answer, f"{path} says nothing"


def test_the_audit_log_is_what_the_description_says(shop: Shop) -> None:
    staff = key(shop, KeyKind.STAFF)
    with serving(shop) as web:
        told(web, "/api/v1/alerts?client=acme", staff)
        document = closed(told(web, "/api/v1/openapi.json", {}))
        schema = document["paths"]["/api/v1/audit"]["get"]["responses"]["200"]["content"]["application/json"]
        answer = told(web, "/api/v1/audit", staff)
        whole = schema["schema"] | {"components": document["components"]}
        jsonschema.Draft202012Validator(whole).validate(answer)
        assert {one["client"] for one in answer} == {"", "acme"}
        assert {one["client"] for one in told(web, "/api/v1/audit?client=acme", staff)} == {"acme"}
        assert told(web, "/api/v1/audit?client=globex", staff) == []


def test_the_docs_list_every_address_and_no_other() -> None:
    text = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `GET (/[^`?]+)", text, re.M))
    from monitor.web.api.routes import DESCRIBED

    assert listed == {path.removeprefix("/api/v1") for path in DESCRIBED[0]}


def test_the_docs_list_every_change_with_its_role_and_so_does_the_description(shop: Shop) -> None:
    text = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `POST /([^`]+)` \| (\w+)", text, re.M))
    paths = {change.path.replace("{identity:str}", "{id}"): change for change in CHANGES}
    assert listed == {path: change.role for path, change in paths.items()}
    with serving(shop) as web:
        document = told(web, "/api/v1/openapi.json", {})
    described = {path: one["post"] for path, one in document["paths"].items() if "post" in one}
    assert len(described) == len(CHANGES)
    for change in CHANGES:
        one = described["/api/v1/" + change.path.replace(":str", "")]
        assert change.role in one["description"]
        assert one["summary"], change.path
        assert ("requestBody" in one) == (change.body is not Nothing)
    jsonschema.Draft202012Validator.check_schema(document["components"]["schemas"]["NewRollout"])


@pytest.mark.parametrize("path", [*OF_ACME, *FOR_STAFF])
def test_a_stranger_learns_nothing(shop: Shop, path: str) -> None:
    other = key(shop, KeyKind.PAGE, "globex")
    with serving(shop) as web:
        for headers in (other, {}, {"Authorization": "Bearer wk_wrong"}):
            answer = web.get(path, headers=headers)
            nobody = web.get(path.replace("acme", "nobody"), headers=headers)
            assert answer.status_code == nobody.status_code == 404
            assert answer.content == nobody.content
        assert [one["client"] for one in told(web, "/api/v1/clients", other)] == ["globex"]


def test_a_reader_is_told_what_the_page_tells(shop: Shop) -> None:
    reader, staff = key(shop, KeyKind.PAGE, "acme"), key(shop, KeyKind.STAFF)
    with serving(shop) as web:
        for path in OF_ACME:
            told(web, path, reader)
        for path in FOR_STAFF:
            assert web.get(path, headers=reader).status_code == 404
            told(web, path, staff)
        seen = {one["metric"] for one in told(web, f"{MODEL}/measurements", reader)["measurements"]}
        all_of_it = {one["metric"] for one in told(web, f"{MODEL}/measurements", staff)["measurements"]}
        client = told(web, "/api/v1/clients/acme", reader)
        page = web.get("/c/acme/", headers=reader).text
    assert "psi" not in seen
    assert all_of_it - seen == {"psi"}
    assert client["headline"] in page
    assert [model["state"] for model in client["models"]] == ["attention", "waiting", "working"]


def test_staff_read_all_decisions_on_rollbacks_and_a_reader_those_that_were_ordered(shop: Shop) -> None:
    reader, staff = key(shop, KeyKind.PAGE, "acme"), key(shop, KeyKind.STAFF)
    with serving(shop) as web:
        for_client = told(web, f"{MODEL}/rollbacks", reader)
        for_staff = told(web, f"{MODEL}/rollbacks", staff)
        none = told(web, f"{MODEL}/rollbacks?environment=development", staff)
    assert none == []
    assert [(one["mode"], one["state"]) for one in for_staff] == [
        ("dry-run", "confirmed"),
        ("drill", "failed"),
        ("on", "withheld"),
        ("on", "verified"),
    ]
    [seen] = for_client
    full = for_staff[-1]
    hidden = {"trigger", "reason", "detail", "executor", "author"}
    assert {name for name in full if full[name] != seen[name]} == hidden
    assert {seen[name] for name in hidden} == {""}
    assert (full["from_version"], full["to_version"], full["reason"]) == (
        DECIDED.version,
        "7",
        DECIDED.reason,
    )
    assert (full["share_before"], full["share_after"]) == (0.4, 0.0)
    assert full["decided_at"] == "2026-11-23T11:45:00Z"
    assert for_staff[0]["sent_at"] is None


def test_what_was_not_measured_is_null_with_a_reason(shop: Shop) -> None:
    with serving(shop) as web:
        found = told(web, f"{MODEL}/measurements", key(shop, KeyKind.STAFF))["measurements"]
    [accuracy] = [one for one in found if one["metric"] == "accuracy"]
    assert (accuracy["value"], accuracy["reason"]) == (None, "12 rows of 100 needed")


def test_a_series_is_cut_as_asked(shop: Shop) -> None:
    staff = key(shop, KeyKind.STAFF)
    with serving(shop) as web:
        course = told(web, f"{MODEL}/measurements/latency_p50?from=now-5h&to=now-1h", staff)
        drift = told(web, f"{MODEL}/measurements/psi?of=feature=amount&from=now-2h", staff)
    assert [point["start"] for point in course["points"]] == [
        f"2026-11-23T{hour:02d}:00:00Z" for hour in (7, 8, 9, 10)
    ]
    assert drift["labels"] == {"feature": "amount"}
    assert [point["value"] for point in drift["points"]] == [0.3]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=yesterday", "is not a time"),
        ("from=now-90d&window=60", "at most 10000 points"),
        ("window=0", "at most 10000 points"),
        ("of=feature", "is not a list of labels"),
        ("window=hour", ""),
        ("/api/v1/quarantine?most=1001", "no page most=1001, before=0"),
        ("/api/v1/quarantine?before=-1", "no page most=20, before=-1"),
    ],
)
def test_what_cannot_be_answered_is_said_with_a_hint(shop: Shop, query: str, said: str) -> None:
    path = query if query.startswith("/") else f"{MODEL}/measurements/latency_p50?{query}"
    with serving(shop) as web:
        answer = web.get(path, headers=key(shop, KeyKind.STAFF))
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "hint"}
    assert said in answer.json()["error"]


def test_it_only_reads(shop: Shop) -> None:
    with serving(shop) as web:
        for path in OF_ACME:
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                assert web.request(method, path, headers=key(shop, KeyKind.STAFF)).status_code == 405


def test_each_look_is_written_down_under_its_client(shop: Shop) -> None:
    reader = key(shop, KeyKind.PAGE, "globex")
    path = f"/api/v1/clients/globex/models/{PRICE.model}/days"
    with serving(shop) as web:
        told(web, path, reader)

        def looked() -> list[audit.AuditEntry]:
            with shop.store.read() as connection:
                return [entry for entry in audit.latest(connection, "globex") if entry.target == path]

        [entry] = until(looked, "the look is written down")
    assert entry.who.startswith("key ")


def test_signals_of_the_last_hour_are_told_of_all_calls_and_by_version(shop: Shop) -> None:
    flags = [place % 4 == 0 for place in range(200)]
    calls = pa.RecordBatch.from_pydict(
        {
            "timestamp": pa.array([int(NOW) * 1_000_000 - 30_000_000] * 200, pa.int64()),
            "version": pa.array(["7", "8"] * 100).dictionary_encode(),
            "signals.refusal": flags,
        }
    )
    with shop.store.write() as connection:
        layout = current_layout(connection, PRICE)
        counted, minute = count(calls, layout), Window(int(NOW) - 60, int(NOW))
        stored = StoredProfile(minute, layout.id, counted.rows, codec.encode(counted))
        profiles.put(connection, PRICE, [stored], NOW)
    staff = key(shop, KeyKind.STAFF)
    with serving(shop) as web:
        answer = told(web, "/api/v1/clients/globex/models/price/signals", staff)
        nothing = told(web, f"{MODEL}/signals", staff)
    assert nothing["measurements"] == []
    assert (answer["start"], answer["end"]) == ("2026-11-23T11:01:00Z", "2026-11-23T12:01:00Z")
    found = {one["labels"].get("version", "all"): one for one in answer["measurements"]}
    assert {place: (one["value"], one["n"]) for place, one in found.items()} == {
        "all": (0.25, 200),
        "7": (0.5, 100),
        "8": (0.0, 100),
    }
    interval = binomtest(50, 200).proportion_ci(0.95, "wilson")
    assert (found["all"]["low"], found["all"]["high"]) == pytest.approx((interval.low, interval.high))


def test_rollouts_are_read_page_by_page_and_clients_read_no_reasons(shop: Shop) -> None:
    reader, staff = key(shop, KeyKind.PAGE, "acme"), key(shop, KeyKind.STAFF)
    with serving(shop) as web:
        first = told(web, f"{MODEL}/rollouts?most=2", staff)
        pages = [first]
        while pages[-1]:
            pages.append(told(web, f"{MODEL}/rollouts?most=2&before={pages[-1][-1]['number']}", staff))
        assert [[one["number"] for one in page] for page in pages] == [[5, 4], [3, 2], [1], []]
        [newest, _] = first
        assert (newest["state"], newest["share"], newest["started_by"]) == ("failed", 0.0, "ada")
        assert newest["plan"] == [{"share": 5.0, "seconds": 600.0}, {"share": 100.0, "seconds": 1800.0}]
        assert [(step["step"], step["state"], step["share"]) for step in newest["steps"]] == [
            (1, "running", 5.0),
            (2, "failed", 0.0),
        ]
        assert [step["verdict"] for step in newest["steps"]] == ["", "fail"]
        [check] = newest["steps"][1]["checks"]
        assert (check["name"], check["e_value"], check["canary"]) == ("failures", 412.0, 0.4)
        text = web.get(f"{MODEL}/rollouts", headers=reader).text
        for secret in ("ada", "is worse", "40% fail", "412"):
            assert secret not in text
        for wrong in ("most=0", "most=101", "before=-1", f"before={10**30}"):
            assert web.get(f"{MODEL}/rollouts?{wrong}", headers=staff).status_code == 400
