"""Middlewares, models, language-model clients and functions: what they record, and that nobody notices."""

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from watchkeeper_client import Client
from watchkeeper_client.integrations.asgi import WatchkeeperMiddleware as Asgi
from watchkeeper_client.integrations.functions import timed, watch
from watchkeeper_client.integrations.models import WatchedModel
from watchkeeper_client.integrations.paths import MISSING, Path
from watchkeeper_client.integrations.payload import FIELDS, LARGEST_BODY, Exchange, Payload
from watchkeeper_client.integrations.wsgi import WatchkeeperMiddleware as Wsgi

from tests.client.stored import stored

ROUTES = {
    "/predict": Payload(features="$.request", prediction="$.response.label", confidence="$.response.score")
}


FRAME = pd.DataFrame({"a": np.arange(60.0), "b": np.arange(60.0) % 7})


LABELS = np.where(FRAME["a"] > 30, "high", "low")


def test_a_decorated_function_is_recorded_and_otherwise_the_same(
    client: Client, model: str, stores: File
) -> None:
    @watch(client, prediction="label", confidence="score", segments={"site": "a"})
    def score(row: dict[str, float], *, strict: bool = False) -> dict[str, object]:
        """Score a row."""
        if strict:
            raise LookupError(row["amount"])
        return {"label": "ok", "score": 0.8}

    assert score({"amount": 5.0}) == {"label": "ok", "score": 0.8}
    with pytest.raises(LookupError):
        score({"amount": 6.0}, strict=True)
    assert (score.__name__, score.__doc__) == ("score", "Score a row.")
    good, bad = stored(client, model, stores)
    assert (good["prediction"], good["confidence"], good["features.amount"]) == ("ok", 0.8, 5.0)
    assert good["segments.site"] == "a"
    assert good["latency_ms"] >= 0
    assert (bad["error"], bad["features.row.amount"], bad["features.strict"]) == ("LookupError", 6.0, True)


def test_a_coroutine_function_is_timed_to_its_end(client: Client, model: str, stores: File) -> None:
    @watch(client, features=lambda a, b: {"sum": a + b}, id=lambda a, b: f"{a}-{b}")
    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0.02)
        return a + b

    assert asyncio.run(add(2, b=3)) == 5
    (row,) = stored(client, model, stores)
    assert (row["id"], row["features.sum"]) == ("2-3", 5)
    assert row["latency_ms"] >= 20


def test_a_mapping_that_raises_reaches_nobody(client: Client, model: str, stores: File) -> None:
    @watch(client, features=lambda x: 1 / 0, prediction="nowhere", id="x")
    def half(x: float) -> float:
        return x / 2

    assert half(3) == 1.5
    assert stored(client, model, stores) == []
    assert client.counters()["unusable"] == 1


def test_a_generator_is_left_alone(client: Client, model: str, stores: File) -> None:
    @watch(client)
    def pieces() -> Iterator[int]:
        yield from (1, 2)

    assert list(pieces()) == [1, 2]
    assert stored(client, model, stores) == []


def test_a_timed_block_says_what_it_found(client: Client, model: str, stores: File) -> None:
    with timed(client, features={"a": 1}) as block:
        block.set("ok", confidence=0.5)
    with pytest.raises(KeyError), timed(client, features={"a": 2}) as block:
        block.set("half done")
        raise KeyError("a")
    with timed(client) as block:
        block.set("ok", nonsense=1)
    with timed(client):
        pass
    good, bad = stored(client, model, stores)
    assert (good["prediction"], good["confidence"], good["features.a"]) == ("ok", 0.5, 1)
    assert (bad["prediction"], bad["error"]) == (None, "KeyError")
    assert client.counters()["unusable"] == 2


def test_a_classifier_by_its_probabilities(client: Client, model: str, stores: File) -> None:
    tree = DecisionTreeClassifier(max_depth=1).fit(FRAME, LABELS)
    watched = WatchedModel(tree, client)
    assert (watched.predict_proba(FRAME) == tree.predict_proba(FRAME)).all()
    watched.predict(FRAME)  # the same rows once more: not counted twice
    assert watched.score(FRAME, LABELS) == tree.score(FRAME, LABELS)
    assert watched.max_depth == 1
    rows = stored(client, model, stores)
    assert [row["prediction"] for row in rows] == list(tree.predict(FRAME))
    assert [row["confidence"] for row in rows] == list(tree.predict_proba(FRAME).max(axis=1))
    assert [row["features.b"] for row in rows] == list(FRAME["b"])
    assert "latency_ms" not in rows[0]
    assert len({row["id"] for row in rows}) == len(FRAME)


@pytest.mark.parametrize("form", ["frame", "array", "list"])
def test_a_regressor_in_a_pipeline(form: str, client: Client, model: str, stores: File) -> None:
    line = make_pipeline(StandardScaler(), HistGradientBoostingRegressor(max_iter=3)).fit(
        FRAME.to_numpy(), FRAME["a"]
    )
    rows = {"frame": FRAME, "array": FRAME.to_numpy(), "list": FRAME.to_numpy().tolist()}[form]
    watched = WatchedModel(line, client, names=["a", "b"])
    with pytest.warns(UserWarning, match="feature names") if form == "frame" else nothing():
        expected = watched.predict(rows)
    found = stored(client, model, stores)
    assert [float(row["prediction"]) for row in found] == pytest.approx(list(expected))
    assert [row["features.a"] for row in found] == list(FRAME["a"])


class nothing:  # noqa: N801
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_one_row_has_a_latency_and_an_id(client: Client, model: str, stores: File) -> None:
    tree = DecisionTreeClassifier().fit(FRAME, LABELS)
    WatchedModel(tree, client, id=lambda rows: ["order-7"]).predict(FRAME.iloc[:1])
    (row,) = stored(client, model, stores)
    assert row["id"] == "order-7"
    assert row["latency_ms"] > 0


def test_a_model_that_raises_raises_and_is_counted(client: Client, model: str, stores: File) -> None:
    tree = DecisionTreeClassifier().fit(FRAME, LABELS)
    with pytest.raises(ValueError, match="feature names"):
        WatchedModel(tree, client).predict(FRAME[["a"]])
    rows = stored(client, model, stores)
    assert [row["error"] for row in rows] == ["ValueError"] * len(FRAME)


def test_xgboost_in_both_of_its_forms(client: Client, model: str, stores: File) -> None:
    import xgboost  # two seconds, in each of the workers that collect this file

    classifier = xgboost.XGBClassifier(n_estimators=2, max_depth=2, n_jobs=1).fit(FRAME, LABELS == "high")
    WatchedModel(classifier, client, version="sklearn").predict_proba(FRAME)
    matrix = xgboost.DMatrix(FRAME)
    booster = classifier.get_booster()
    scores = WatchedModel(booster, client, version="booster").predict(matrix)
    rows = stored(client, model, stores)
    by_version = {v: [row for row in rows if row["version"] == v] for v in ("sklearn", "booster")}
    assert [float(row["prediction"]) for row in by_version["booster"]] == pytest.approx(
        list(map(float, scores))
    )
    assert [row["features.a"] for row in by_version["booster"]] == list(FRAME["a"])
    assert [row["features.a"] for row in by_version["sklearn"]] == list(FRAME["a"])
    assert len(by_version["sklearn"]) == 60


def asgi_call(app: Any, path: str, body: list[bytes]) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        pieces = [
            {"type": "http.request", "body": b, "more_body": n + 1 < len(body)} for n, b in enumerate(body)
        ]

        async def receive() -> dict[str, Any]:
            return pieces.pop(0)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"X-Request-Id", b"r1")]
        await app({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send)
        return sent

    return asyncio.run(run())


def answering(body: list[bytes], status: int = 200) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": status, "headers": []})
        for piece in body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def test_bodies_in_pieces_are_read_whole_and_passed_on(client: Client, model: str, stores: File) -> None:
    app = Asgi(answering([b'{"label": "o', b'k", "score": 0.9}']), client, ROUTES)
    sent = asgi_call(app, "/predict", [b'{"a":', b" 1}"])
    assert b"".join(m.get("body", b"") for m in sent) == b'{"label": "ok", "score": 0.9}'
    (row,) = stored(client, model, stores)
    assert (row["prediction"], row["confidence"], row["features.a"]) == ("ok", 0.9, 1)


@pytest.mark.parametrize(
    ("request_body", "answer", "status", "expected"),
    [
        (b"not json", b'{"label": "ok"}', 200, [("ok", None)]),
        (b'{"a": 1}', b'{"label": "ok"}', 404, []),
        (b'{"a": 1}', b'{"label": "ok"}', 503, [(None, "HTTP 503")]),
        (b"{}" + b" " * LARGEST_BODY, b'{"label": "ok"}', 200, [("ok", None)]),
        (b'{"a": 1}', b'{"label": "' + b"x" * LARGEST_BODY + b'"}', 200, []),
        (b"[" * 100_000, b'{"label": "ok"}', 200, [("ok", None)]),
        (b"\xff\xfe", b"\xff", 200, []),
    ],
    ids=["no JSON", "404", "503", "long body", "long answer", "nested", "no text"],
)
def test_whatever_the_bodies_are_the_answer_is_passed_on(
    request_body: bytes, answer: bytes, status: int, expected: Any, client: Client, model: str, stores: File
) -> None:
    sent = asgi_call(Asgi(answering([answer], status), client, ROUTES), "/predict", [request_body])
    assert sent[1]["body"] == answer
    assert [(r.get("prediction"), r.get("error")) for r in stored(client, model, stores)] == expected


def test_an_application_that_raises_raises(client: Client, model: str, stores: File) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise MemoryError

    def wsgi(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read()
        raise OSError("disk")

    with pytest.raises(MemoryError):
        asgi_call(Asgi(app, client, ROUTES), "/predict", [b"{}"])
    with pytest.raises(OSError, match="disk"):
        Wsgi(wsgi, client, ROUTES)({"REQUEST_METHOD": "POST", "PATH_INFO": "/predict"}, lambda *_: None)
    assert [row["error"] for row in stored(client, model, stores)] == ["MemoryError", "OSError"]


def test_a_stream_is_timed_to_its_end_and_closed(client: Client, model: str, stores: File) -> None:
    closed = []

    class Answer:
        def __iter__(self) -> Iterator[bytes]:
            yield b'{"label": '
            time.sleep(0.02)
            yield b'"ok"}'

        def close(self) -> None:
            closed.append(True)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Answer()

    answer = Wsgi(app, client, ROUTES)({"REQUEST_METHOD": "POST", "PATH_INFO": "/predict"}, lambda *_: None)
    assert b"".join(answer) == b'{"label": "ok"}'
    answer.close()  # type: ignore[attr-defined]
    assert closed == [True]
    (row,) = stored(client, model, stores)
    assert row["latency_ms"] >= 20


def test_a_payload_by_functions_by_rows_and_by_headers(client: Client, model: str, stores: File) -> None:
    payload = Payload(
        id="$.headers['x-request-id']",
        features="$.request.rows[*]",
        prediction=lambda document: document["response"]["labels"][0],
        confidence="$.response.scores[*]",
        nonsense="$.request",
        cost="no path",
    )
    app = Asgi(answering([b'{"labels": ["x"], "scores": [0.1, 0.2]}']), client, {"/models/*": payload})
    asgi_call(app, "/models/7/predict", [b'{"rows": [[1, 2], [3, 4]]}'])
    rows = stored(client, model, stores)
    assert [(r["confidence"], r["features.x0"], r["features.x1"]) for r in rows[:1]] == [(0.1, 1, 2)]


def test_a_payload_by_names_has_each_value_where_it_stands(client: Client, model: str, stores: File) -> None:
    payload = Payload(
        features={
            "amount": "$.request.rows[*].amount",
            "tier": "$.request.user.tier",
            "gone": "$.request.none",
        },
        segments={
            "country": "$.request.user.country",
            "kind": lambda document: document["path"].split("/")[1],
        },
        prediction="$.response.labels[*]",
    )
    app = Asgi(answering([b'{"labels": ["x", "y"]}']), client, {"/models/*": payload})
    asgi_call(
        app,
        "/models/7",
        [b'{"rows": [{"amount": 1}, {"amount": 2}], "user": {"tier": "gold", "country": "DE"}}'],
    )
    rows = stored(client, model, stores)
    assert [(row["prediction"], row["features.amount"]) for row in rows] == [("x", 1), ("y", 2)]
    assert {(row["features.tier"], row["segments.country"], row["segments.kind"]) for row in rows} == {
        ("gold", "DE", "models")
    }
    assert "features.gone" not in rows[0]


@pytest.mark.parametrize("name", FIELDS)
def test_a_function_that_raises_loses_its_field_and_no_record(name: str) -> None:
    rules: dict[str, Any] = {"features": "$.request.x", "prediction": "$.response.label"}
    rules[name] = lambda document: document["response"]["label"]["deep"]
    failed = Exchange(
        Payload(**rules), {"latency_ms": 1.0}, b'{"x": {"a": 1}}', b"", {}, "/", 500, "HTTP 500"
    )
    (record,) = failed.records()
    assert record["error"] == "HTTP 500"
    answered = Exchange(Payload(**rules), {}, b'{"x": {"a": 1}}', b'{"label": "ok"}', {}, "/", 200)
    (record,) = answered.records()
    assert record == {
        field: value for field, value in {"features": {"a": 1}, "prediction": "ok"}.items() if field != name
    }


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"segments": ["$.request.country"]},
            "segments cannot be of type list: give a path .* or a dictionary of these",
        ),
        ({"features": {"a": 1}}, "features cannot be of type int"),
        (
            {"prediction": {"a": "$.response.a"}},
            "prediction cannot be of type dict: give a path such as .*, a function$",
        ),
    ],
)
def test_what_is_no_rule_is_told_at_the_start(
    fields: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    payload = Payload(**fields)
    assert re.search(words, caplog.text.strip())
    assert payload.rows({"request": {"country": "DE"}, "response": {}}) == [{}]


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)


@given(json_values, st.lists(st.sampled_from("abc") | st.integers(0, 2), max_size=4))
def test_a_path_finds_what_python_finds(document: Any, steps: list[str | int]) -> None:
    text = "$" + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps)
    expected = document
    for step in steps:
        try:
            if isinstance(expected, str):
                raise TypeError
            expected = expected[step]
        except (KeyError, IndexError, TypeError):
            expected = MISSING
            break
    assert Path(text).find(document) is expected or Path(text).find(document) == expected


@pytest.mark.parametrize("text", ["", "a", "$a", "$.", "$..a", "$[", "$[a]", "$.a[-1]", "$.a b["])
def test_what_is_no_path_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        Path(text)
