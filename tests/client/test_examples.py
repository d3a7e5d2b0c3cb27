"""The examples, as they stand, against the real daemon."""

import importlib
import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import uvicorn

from tests.client.stored import outcomes, predictions
from tests.support import http
from tests.support.daemon import ROOT, Daemon
from tests.support.ports import free_port
from tests.support.waiting import until

EXAMPLES = ROOT / "client" / "examples"


@pytest.fixture(autouse=True)
def environment(daemon: Daemon, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("URL", daemon.url), ("CLIENT", "acme"), ("MODEL", model)):
        monkeypatch.setenv(f"WATCHKEEPER_{name}", value)


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving_wsgi(application: Any) -> Iterator[str]:
    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving_asgi(application: Any) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(application, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started, "the service listens")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An example, imported anew."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


def test_fastapi(model: str, stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = loaded("fastapi_service", monkeypatch)
    with serving_asgi(example.app) as url:
        for amount, status in ((900, 200), (100, 200), ("much", 422)):
            answer = http.post(f"{url}/predict", json={"order": f"o{amount}", "features": {"amount": amount}})
            assert answer.status_code == status
        answer = http.post(f"{url}/predict", json={"order": "bad", "features": {}})
        assert answer.status_code == 500
        http.post(f"{url}/orders/o900/truth", params={"label": "ok"})
    # the server's end sent what waited
    rows = {row["id"]: row for row in predictions(stores, model)}
    example.watchkeeper.close()
    assert rows.keys() == {"o900", "o100", "bad"}
    assert (rows["o900"]["prediction"], rows["o900"]["confidence"]) == ("fraud", 0.9)
    assert rows["o900"]["features.amount"] == 900
    assert rows["bad"]["error"] == "KeyError"
    assert all(0 < row["latency_ms"] < 10_000 for row in rows.values())
    assert [one["id"] for one in outcomes(stores, model)] == ["o900"]


def test_flask(model: str, stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = loaded("flask_service", monkeypatch)
    with serving_wsgi(example.app) as url:
        rows = [{"amount": 900}, {"amount": 1}, {"amount": 2}]
        assert http.post(f"{url}/predict", json={"rows": rows}).json() == {"labels": ["fraud", "ok", "ok"]}
        assert http.post(f"{url}/predict", json={"rows": [{}]}).status_code == 500
        assert http.post(f"{url}/predict", content=b"{").status_code == 415
        assert http.post(f"{url}/other", json={}).status_code == 404
    example.watchkeeper.close()
    found = [
        (row["prediction"], row.get("features.amount"), row.get("error"))
        for row in predictions(stores, model)
    ]
    assert found == [("fraud", 900, None), ("ok", 1, None), ("ok", 2, None), (None, None, "HTTP 500")]


def test_django(model: str, stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = loaded("django_service", monkeypatch)
    with serving_wsgi(example.application) as url:
        assert http.post(f"{url}/predict", json={"amount": 900}).json() == {"label": "fraud"}
        assert http.post(f"{url}/predict", json={}).status_code == 500
    example.watchkeeper.close()
    found = [
        (row["prediction"], row.get("features.amount"), row.get("error"))
        for row in predictions(stores, model)
    ]
    assert found == [("fraud", 900, None), (None, None, "HTTP 500")]


def test_a_batch_job(model: str, stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = loaded("batch_job", monkeypatch)
    rows = {row["id"]: row for row in predictions(stores, model)}
    assert rows.keys() == {str(order) for order in range(2_500)}
    expected = example.model.predict_proba(example.orders[example.columns])
    for order in (0, 1_000, 2_499):
        row = rows[str(order)]
        assert row["confidence"] == pytest.approx(max(expected[order]))
        assert row["prediction"] == str(bool(expected[order].argmax())).lower()
        assert row["features.amount"] == example.orders["amount"][order]
    assert {one["id"] for one in outcomes(stores, model)} == {"1", "2", "3"}


def test_a_notebook(model: str, stores: Path) -> None:
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    names["watchkeeper"].close()
    rows = predictions(stores, model)
    assert len(rows) == 50
    sample = names["iris"].data.sample(50, random_state=1)
    assert [float(row["prediction"]) for row in rows] == list(names["model"].predict(sample))
    assert [row["features.petal width (cm)"] for row in rows] == list(sample["petal width (cm)"])


def test_lambda(model: str, stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = loaded("lambda_function", monkeypatch)
    context = SimpleNamespace(aws_request_id="request-1")
    assert example.handler({"features": {"amount": 900.0}}, context) == {"label": "fraud"}
    assert [row["id"] for row in predictions(stores, model)] == ["request-1"]  # sent before it returned
    with pytest.raises(KeyError):
        example.handler({"features": {}}, context)
    assert [row.get("error") for row in predictions(stores, model)] == [None, "KeyError"]
    example.watchkeeper.close()


def test_langchain(model: str, stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = loaded("langchain_chat", monkeypatch)
    assert example.chat.invoke("How long do refunds take?").content == "Refunds take 14 days."
    with pytest.raises(StopIteration):  # no answer is left
        example.chat.invoke("And now?")
    example.watchkeeper.close()
    good, bad = predictions(stores, model)
    assert (good["prediction"], good["version"], good.get("error")) == ("stop", "small-2026", None)
    assert good["features.input_characters"] == len("How long do refunds take?")
    assert good["features.output_characters"] == len("Refunds take 14 days.")
    assert bad["error"] == "StopIteration"


def test_every_example_is_listed_and_is_run() -> None:
    files = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")}
    assert files == set(re.findall(r"\]\(([^)]+)\)", (EXAMPLES / "README.md").read_text(encoding="utf-8")))
    own = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in files if name not in own and f'"{Path(name).stem}"' not in own] == []
