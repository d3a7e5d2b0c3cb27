"""A law: whatever the situation, the client's page, the engineers' pages, the API, `status`, the digest and `/metrics`
tell the same of several models, their alerts and their targets.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import unescape
from typing import Any

import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from monitor import status
from monitor.alerts.settings import AlertSettings
from monitor.clock import ManualClock
from monitor.digest import Sender
from monitor.health import client_state
from monitor.health.daily_summary import DailySummaries
from monitor.health.settings import ClientSettings, ModelView
from monitor.records import (
    Alert,
    DataState,
    Severity,
    Silence,
    State,
    Stream,
    Transition,
    Window,
    fingerprint,
    labels,
)
from monitor.store import alerts, predictions, releases, rollbacks, rollouts, silences, streams, targets
from monitor.store.db import Store, metadata
from monitor.store.predictions import NewBatch
from monitor.store.releases import Release
from monitor.store.rollbacks import Rollback, RollbackState
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep, Stage
from monitor.store.targets import TargetPeriod
from tests.support import schema
from tests.support.clients import NOW, Shop
from tests.support.server import serving
from tests.support.thorough import SHARED_FIXTURES, examples

NAMES = ("credit", "fraud", "price")
RULES = {"HighErrorRate": Severity.CRITICAL, "HighLatency": Severity.WARNING, "Moved": Severity.INFO}
CLIENTS = {
    "acme": ClientSettings(
        name="Acme",
        models={name: ModelView(title=name.capitalize(), quality="accuracy", target=0.9) for name in NAMES},
    )
}
DAY = 86_400
OVER = "The previous version took over all requests."
ORDERED = "Its requests go to the previous version."
VERSIONS: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    # the history, newest first; the sentence on top; the words in digest and status
    "released": (("was released.",), "", ("was released",)),
    "running": ((), "is being introduced. It has answered 5 % of the requests since", ("is running at 5 % since",)),
    "promoted": (("took over all requests.",), "has answered all requests since", ("was promoted",)),
    "failed": ((f"was withdrawn, because it was worse. {ORDERED}",), "was withdrawn on", ("failed: it is worse",)),
    "stopped": ((f"was withdrawn. {ORDERED}",), "was withdrawn on", ("was stopped",)),
    "released, returned": (
        (f"was withdrawn. {OVER}", "was released."), "was withdrawn on", ("was rolled back", "was released"),
    ),
    "promoted, returned": (
        (f"was withdrawn. {OVER}", "took over all requests."), "was withdrawn on", ("was rolled back", "was promoted"),
    ),
    "released, refused": (("was released.",), "", ("was released",)),
}  # fmt: skip


@dataclass(frozen=True)
class Model:
    """What is stored of a model: its traffic, its alerts by rule (state, acknowledged, silenced), its target, and what
    happened to its version 8.
    """

    traffic: str
    alerts: dict[str, tuple[State, bool, bool]]
    target: str
    version: str = ""


alert_states = st.tuples(
    st.sampled_from([s for s in State if s is not State.INACTIVE]), st.booleans(), st.booleans()
)
models = st.builds(
    Model,
    st.sampled_from(["live", "live", "late", "never"]),
    st.dictionaries(st.sampled_from(sorted(RULES)), alert_states),
    st.sampled_from(["", "kept", "missed", "at_risk", "unknown"]),
    st.sampled_from(["", *sorted(VERSIONS)]),
)
situations = st.tuples(models, models, models)
QUIET = Model("live", {}, "kept")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('truth')}/a.db")
    schema.create(store)
    yield Shop(store, ManualClock(NOW), CLIENTS)
    store.close()


@pytest.fixture(scope="module")
def web(shop: Shop) -> Iterator[httpx2.Client]:
    with serving(shop) as client:
        yield client


def put(store: Store, made: tuple[Model, ...]) -> None:
    """Store a situation in place of the one before."""
    with store.write() as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name not in ("streams", "api_keys"):
                connection.execute(table.delete())
        connection.execute(metadata.tables["streams"].delete())
    _forget(store)
    with store.write() as connection:
        for name, model in zip(NAMES, made, strict=True):
            stream = Stream("acme", name)
            if model.traffic == "never":
                continue
            at = NOW - (30 if model.traffic == "live" else 7200)
            window = Window(int(at) // 60 * 60, int(at) // 60 * 60 + 60)
            predictions.put(connection, [NewBatch(stream, window, 5, at, name.encode(), b"", b"")], at)
            for rule, (state, is_acknowledged, is_silenced) in model.alerts.items():
                _alert(
                    connection, stream, rule, state, is_acknowledged=is_acknowledged, is_silenced=is_silenced
                )
            if model.target:
                targets.put(connection, [_target(stream, model.target)])
            _version(connection, stream, model.version.split(", "))
    DailySummaries(store, CLIENTS).update(NOW)


def _forget(store: Store) -> None:
    """The numbers of streams are cached for as long as a database lives."""
    streams._NUMBERS.pop(store.engine, None)


def _alert(
    connection: Any, stream: Stream, rule: str, state: State, *, is_acknowledged: bool, is_silenced: bool
) -> None:
    key, severity, fired = fingerprint(rule, stream, ()), RULES[rule], NOW - 600
    is_open = state in (State.FIRING, State.RECOVERING)
    alert = Alert(
        key, rule, severity, stream, state=state, episode=0 if state is State.PENDING else 1,
        fired_at=None if state is State.PENDING else fired, active_since=fired - 10,
        recovering_since=NOW - 30 if state is State.RECOVERING else None,
        resolved_at=NOW - 60 if state is State.RESOLVED else None,
        acknowledged_at=NOW - 300 if is_acknowledged and is_open else None,
        acknowledged_by="Ann" if is_acknowledged and is_open else "", data=DataState.OK,
        annotations=labels(client=f"{rule} happens.", summary=f"{rule} of {stream}"), reason=f"{rule} is beyond",
    )  # fmt: skip
    alerts.put(connection, [alert])
    steps = [(fired, State.PENDING, State.FIRING)] if state is not State.PENDING else []
    steps += [(NOW - 60, State.RECOVERING, State.RESOLVED)] if state is State.RESOLVED else []
    alerts.add_transitions(
        connection,
        [Transition(key, at, before, to, 1, "", rule, severity, stream) for at, before, to in steps],
    )
    if is_silenced:
        matchers = (f'alert="{rule}"', f'model="{stream.model}"')
        silences.add(connection, Silence(key[:12], matchers, NOW - 60, NOW + 3600, "Ann", "planned"))


def _target(stream: Stream, standing: str) -> TargetPeriod:
    value, low, high = {
        "kept": (0.95, 0.94, 0.96), "missed": (0.8, 0.78, 0.82), "at_risk": (0.89, 0.87, 0.91), "unknown": (None,) * 3,
    }[standing]  # fmt: skip
    reason = "no outcomes yet" if value is None else ""
    return TargetPeriod(
        "accuracy", 0.9, True, value, low, high, 500.0, DAY, reason=reason, stream=stream, since=NOW - 1200, until=None,
        standing=standing, worst=value,
    )  # fmt: skip


def _version(connection: Connection, stream: Stream, happened: list[str]) -> None:
    """Version 8 is released, or its rollout begins, three hours ago; that ends after one, the rollback after two."""
    if "released" in happened:
        releases.add(connection, Release(stream, "8", "a" * 64, NOW - 3 * 3600, NOW))
    for word in set(happened) & set(RolloutState):
        rollout = Rollout(stream, 1, "8", "7", (Stage(5, 7200),), NOW - 3 * 3600, "ada")
        rollouts.start(
            connection, rollout, RolloutStep(1, NOW - 3 * 3600, RolloutState.RUNNING, 0, 5, "began")
        )
        if word != "running":
            rollouts.add(connection, rollout, RolloutStep(2, NOW - 7200, RolloutState(word), 0, 0, "over"))
    for word, state in (("returned", RollbackState.VERIFIED), ("refused", RollbackState.FAILED)):
        if word in happened:
            key, at = fingerprint("back", stream, ())[:12], NOW - 3600
            order = Rollback(
                stream, "8", "by ada", "on", key, "rollback", state, "webhook", "7", "", "ada", at
            )
            rollbacks.add(connection, replace(order, answered_at=at + 5, ended_at=at + 60))


def check_versions(web: httpx2.Client, name: str, model: Model, client: str, words: tuple[str, str]) -> None:
    """The pages, and `words` of the digest and of `status`, tell what the API has of releases, rollouts, rollbacks."""
    history, now, engineers = VERSIONS.get(model.version, ((), "", ()))
    title, of_model = name.capitalize(), page(web, f"/c/acme/m/{name}")
    api = {
        kind: web.get(f"/api/v1/clients/acme/models/{name}/{kind}").json()
        for kind in ("rollouts", "rollbacks")
    }
    is_back = [one["state"] for one in api["rollbacks"]][:1] == ["verified"]
    is_withdrawn = is_back or [one["state"] for one in api["rollouts"]][:1] in (["failed"], ["stopped"])
    assert is_withdrawn == now.startswith("was withdrawn")
    for shown in (client, of_model):
        above, _, below = shown.partition("What happened")
        assert re.findall(rf"{title}: a new version ([^<]+)", below) == list(history)
        told = re.findall(rf"{title}: a new version ([^<]+)", above)
        assert [one.startswith(now) for one in told] == ([True] if now else [])
    is_quiet = "No incident in the last 30 days." in of_model
    assert is_quiet == ('<ol class="incidents">' not in of_model)
    assert not (history and is_quiet)
    for text in words:
        said = re.findall(r"version 8 ((?:was|is|failed)[^,;\d]*[a-z])", text)
        assert said == [re.sub(r" \d.*", "", one) for one in engineers]


def check_single_models(shop: Shop) -> None:
    """A model that is read alone is what it is among all of its client."""
    with shop.store.read() as connection:
        health = client_state.client(connection, "acme", CLIENTS["acme"], NOW)
        assert health is not None
        for one in health.models:
            assert client_state.model(connection, "acme", one.stream.model, CLIENTS["acme"], NOW) == one
        assert client_state.model(connection, "acme", "stranger", CLIENTS["acme"], NOW) is None


def page(web: httpx2.Client, path: str) -> str:
    answer = web.get(path)
    assert answer.status_code == 200, answer.text[:500]
    return unescape(answer.text)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=SHARED_FIXTURES)
@given(situations)
@example((Model("late", {}, ""), Model("never", {}, ""), QUIET))
@example(
    (Model("live", {}, "", "released"), Model("live", {}, "", "running"), Model("live", {}, "kept", "failed"))
)
@example(
    (
        Model("live", {}, "", "promoted, returned"),
        Model("late", {}, "", "released, returned"),
        Model("live", {}, "", "released, refused"),
    )
)
@example((Model("live", dict.fromkeys(RULES, (State.FIRING, False, False)), "missed"), QUIET, QUIET))
def test_all_views_of_a_situation_agree(shop: Shop, web: httpx2.Client, made: tuple[Model, ...]) -> None:
    put(shop.store, made)
    api = web.get("/api/v1/clients/acme").json()
    incidents = web.get("/api/v1/clients/acme/incidents").json()
    open_alerts = web.get("/api/v1/clients/acme/alerts").json()
    client, staff = page(web, "/c/acme/"), page(web, "/staff/")
    digest = Sender(shop.store, CLIENTS, (), "", "0").preview("acme", NOW)
    with shop.store.read() as connection:
        configured = status.Configured(models={"acme": NAMES}, alerts=AlertSettings())
        lines = {line.stream.model: line for line in status.overview(connection, 60, NOW, "acme", configured)}
    assert digest is not None
    check_single_models(shop)
    state = {one["model"]: one["state"] for one in api["models"]}
    by_name = dict(zip(NAMES, made, strict=True))

    # One state for each model, in every view, and one headline.
    assert set(state) == set(NAMES)
    rows = re.findall(
        r'<tr><th scope="row"><a href="/c/acme/m/(\w+)">.*?class="state s-(\w+)"', client, re.DOTALL
    )
    assert dict(rows) == state
    assert {one.title.lower(): one.health.value for one in digest.models} == state
    rows = re.findall(r'class="row s-(\w+)">.*?/staff/m/acme/(\w+)/production"', staff, re.DOTALL)
    seen = {name: health for health, name in rows}
    assert seen == state
    assert f"</span> {api['headline']}</h1>" in client
    assert digest.verdict.endswith(api["headline"])
    assert api["state"] == max(state.values(), key=["working", "waiting", "watch", "attention"].index)
    worst = sum(one == api["state"] for one in state.values())
    assert re.match(rf"({worst} of 3 models|All 3 models)\b", api["headline"])
    assert ("working as agreed" in api["headline"]) == all(
        state[name] == "working" and by_name[name].target == "kept" for name in NAMES
    )

    # `status` is as bad as the page, in its own words.
    for name, line in lines.items():
        expected = {
            "attention": {"critical", "warning"}, "watch": {"warning", "info"}, "waiting": {"unknown", "info"},
            "working": {"ok", "unknown", "info"},
        }[state[name]]  # fmt: skip
        assert line.state in expected, (name, line.state, state[name])
        assert state[name] != "waiting" or line.state != "ok"
    assert set(lines) == set(seen)

    for name, model in by_name.items():
        is_here = model.traffic != "never"
        fired = {rule: one for rule, one in model.alerts.items() if one[0] is not State.PENDING and is_here}
        of_model = [one for one in incidents if one["model"] == name]
        own = [one for one in open_alerts if one["model"] == name]

        # What is open is open everywhere; what ended has ended everywhere; what never fired is nowhere.
        told = {one["id"].rpartition("-")[0]: one for one in of_model}
        for rule, (stood, is_acknowledged, _) in fired.items():
            if RULES[rule] is Severity.INFO:
                continue
            incident = told.pop(fingerprint(rule, Stream("acme", name), ()))
            assert (incident["ended"] is None) == (stood is not State.RESOLVED)
            assert (incident["taken_up"] is not None) == (is_acknowledged and stood is not State.RESOLVED)
        missed = [fingerprint("TargetMissed", Stream("acme", name), labels(target="accuracy"))]
        assert list(told) == (missed if model.target == "missed" and is_here else [])
        is_open = {rule for rule, one in fired.items() if one[0] in (State.FIRING, State.RECOVERING)}
        assert {one["alert"] for one in own} == is_open

        # Why an alert is not sent is told in the same words by the API, `status`, the overview and the pages.
        of_staff = page(web, f"/staff/m/acme/{name}/production")
        assert (lines[name].silent_for is None) == (not is_here)
        assert ("has not sent any data yet" in of_staff) == (not is_here)
        if not is_here:
            continue
        of_digest = next(one for one in digest.models if one.title.lower() == name)
        facts = {fact.name: fact.text for fact in of_digest.facts}
        words = (facts.get("Versions", ""), "; ".join(lines[name].notes))
        check_versions(web, name, model, client, words)
        for one in own:
            why = one["suppressed"]
            silenced = fired[one["alert"]][2] and one["state"] == "firing"
            assert silenced <= bool(why)
            mine = next(text for text in lines[name].reasons if text.startswith(one["alert"]))
            assert (f"({why})" in mine) if why else "(" not in mine.partition(":")[0]
            card = of_staff.partition(f"{one['alert']} of acme/{name}/production")[2].partition("</article>")[
                0
            ]
            assert why in card
            assert ("acknowledged by Ann" in card) == fired[one["alert"]][1]
            single = page(web, f"/staff/alerts/{one['id']}")
            assert why in single
            assert one["state"] in single

        # Without truth there is no figure; with a target, its figure and standing are the same everywhere.
        answer = next(one for one in api["models"] if one["model"] == name)
        standing = {one["metric"]: one["standing"] for one in answer["targets"]}
        assert standing == ({"accuracy": model.target} if model.target else {})
        row = client.partition(f'href="/c/acme/m/{name}"')[2].partition("</tr>")[0]
        assert ("✖ missed" in row) == (model.target == "missed")
        assert ("✔ met" in row) == (model.target == "kept")
        assert (answer["quality"] is None) == (model.target in ("", "unknown"))
        assert answer["quality"] is not None or 'data-label="Quality">—<' in row

    # Who acts is told of those that need attention.
    acting = [name for name in NAMES if state[name] == "attention"]
    taken_up = any(one["taken_up"] and not one["ended"] and one["model"] in acting for one in incidents)
    assert ("Our team is working on it." in client) == (bool(acting) and taken_up)
    assert ("Our team has been notified." in client) == (bool(acting) and not taken_up)
