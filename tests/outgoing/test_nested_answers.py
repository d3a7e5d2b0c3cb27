"""JSON that is nested without end, or has numbers without end, is told as unreadable wherever JSON is read."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import monitor
from monitor.gauges.queues.rabbitmq import _figures
from monitor.gauges.reading import GaugeError
from monitor.rollback.executors.calls import ExpectedResponse
from monitor.rollback.executors.executor import ExecutorError
from monitor.rollouts.load_arms import ArmSettings
from monitor.web.api.rollouts import routes
from monitor.web.auth.authentication import Access
from tests.support.clients import opened
from tests.support.server import serving

ROOM = Path(monitor.__path__[0])
READERS = {"json.load", "json.loads", "msgspec.json.decode", "response.json"}
OUR_OWN = {"demo", "expectations", "loadtest"}
"""Rooms that read only files that they wrote themselves, or JSON that was read before."""
DEEP = b"[" * 60_000


def guarded() -> Iterator[tuple[str, str]]:
    """Where JSON or MessagePack is read in a `try`, and the errors that are caught there."""
    for path in sorted(ROOM.rglob("*.py")):
        place = path.relative_to(ROOM)
        if place.parts[0] in OUR_OWN or "migrations" in place.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Try):
                continue
            called = {
                ast.unparse(one.func)
                for part in node.body
                for one in ast.walk(part)
                if isinstance(one, ast.Call)
            }
            handled = " ".join(ast.unparse(one.type) for one in node.handlers if one.type)
            if called & READERS or "sgspec" in handled:
                caught = [ast.unparse(one.type) if one.type else "Exception" for one in node.handlers]
                yield f"{place}:{node.lineno}", " ".join(caught)


def test_whoever_catches_the_errors_of_json_catches_that_of_its_depth() -> None:
    found = dict(guarded())
    assert len(found) > 40
    errors = ("ValueError", "Msgspec", "Decode", "FAILURES")
    wrong = [
        place
        for place, caught in found.items()
        if any(one in caught for one in errors)
        and not any(one in caught for one in ("RecursionError", "Exception"))
    ]
    assert wrong == []


def test_a_webhook_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    shop = opened(tmp_path, hours=1)
    hooks = routes(shop.store, Access(shop.store, shop.clock), shop.clock, ArmSettings(60))
    body = b'{"name": "a", "namespace": "b", "x": ' + DEEP
    with serving(shop, routes=hooks) as client:
        for path in ("rollout", "confirm-promotion", "rollback"):
            assert client.post(f"/v1/flagger/{path}", content=body).status_code == 400
    shop.store.close()


def test_executors_and_queues_that_answer_so_are_told() -> None:
    with pytest.raises(ExecutorError, match="not JSON"):
        ExpectedResponse(200, DEEP, {}).json()
    for body in (DEEP, b'{"messages": %s}' % (b"9" * 400), b'{"messages": %s}' % (b"9" * 5000)):
        with pytest.raises(GaugeError):
            _figures("http://queue", body)
    assert _figures("http://queue", json.dumps({"messages": 7}).encode())["messages"] == 7
