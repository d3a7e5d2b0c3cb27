"""A model's endpoint over real connections: servers that misbehave, guards, templates, secrets."""

import asyncio
import json
import ssl
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import trustme

from monitor.errors import AccessError, InputError, WatchkeeperError
from monitor.loadtest import endpoint, payloads
from monitor.loadtest.generator import Generator, StageCalls, failure_counts
from monitor.outgoing.persistent import Answer, Peer
from tests.support.ports import free_port
from tests.support.receiver import Receiver
from tests.support.slow_peers import Manner, peer

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
SHAPE = payloads.Shape(
    tuple({"amount": float(n), "country": "DE", "'quoted\"\u2028": None} for n in range(payloads.ROWS)),
    ({},) * payloads.ROWS,
    ({},) * payloads.ROWS,
    {"embedding": "embedding cannot be drawn"},
)


def judged(answer: Answer) -> str:
    return "" if answer.status == 200 else f"HTTP {answer.status}"


def called(where: Peer, count: int = 6, within: float = 0.4, connections: int = 3) -> StageCalls:
    async def run() -> StageCalls:
        generator = Generator(where, judged, within=within, most_connections=connections)
        try:
            return await generator.run(np.linspace(0, 0.1, count), lambda _: REQUEST)
        finally:
            generator.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("manner", "failure"),
    [
        (Manner.HANG, {"timeout", "no free connection"}),
        (Manner.DRIP, {"timeout", "no free connection"}),
        (Manner.RESET, {"connection closed", "connection reset"}),
        (Manner.FLOOD, {"answer larger than 1,048,576 bytes"}),
        (Manner.HEADERS, {"answer larger than 1,048,576 bytes", "not HTTP"}),
        (Manner.CONTINUE, {"answer larger than 1,048,576 bytes", "not HTTP"}),
    ],
)
def test_a_server_that_misbehaves_costs_its_calls_and_nothing_else(manner: Manner, failure: set[str]) -> None:
    with peer(manner) as server:
        calls = called(Peer("127.0.0.1", server.port, "localhost"), within=0.4 if "timeout" in failure else 3)
        assert server.sent < 60_000_000
    assert set(failure_counts(calls)) <= failure
    assert failure_counts(calls).total() == 6
    assert not np.isnan(calls.ended).any()


def test_nobody_listens_and_certificates_are_checked(tmp_path: Path) -> None:
    assert failure_counts(called(Peer("127.0.0.1", free_port(), "localhost"))) == {"connection refused": 6}
    tls = ssl.create_default_context()
    authority = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(serving)
    with peer(Manner.RESET, serving) as server:
        [failure] = failure_counts(called(Peer("127.0.0.1", server.port, "localhost", tls), within=3))
        assert failure.startswith("TLS: ")
        authority.configure_trust(tls)
        found = failure_counts(called(Peer("127.0.0.1", server.port, "localhost", tls), within=3))
        assert set(found) <= {"connection closed", "connection reset"}
        [failure] = failure_counts(called(Peer("127.0.0.1", server.port, "other.example", tls), within=3))
        assert failure.startswith("TLS: ")


def test_calls_arrive_as_the_template_says_over_few_connections() -> None:
    secret = "s3cret-ü"
    template = {"instances": [{"all": "$features", "one": "$features.amount"}], "id": "$id", "fixed": 1}
    with Receiver() as receiver:
        where = endpoint.place(f"{receiver.url}/score?x=1")
        assert where.is_here
        headers = ["Authorization=Bearer ${env:TOKEN}"]
        target = endpoint.endpoint(where, template, SHAPE, headers, {"TOKEN": secret}, endpoint.Options())

        async def run() -> StageCalls:
            generator = Generator(target.peer, target.refused, within=5, most_connections=2)
            try:
                return await generator.run(np.linspace(0, 0.05, 20), target.request)
            finally:
                generator.close()

        calls = asyncio.run(run())
        assert failure_counts(calls) == Counter()
        assert calls.connections <= 2
        bodies = [json.loads(request.body) for request in receiver.requests]
    assert len({body["id"] for body in bodies}) == 20
    assert sorted(body["instances"][0]["one"] for body in bodies) == list(range(20))
    assert bodies[0]["instances"][0]["all"].keys() == SHAPE.features[0].keys()
    assert target.notes == ("not in the calls: embedding",)
    assert {request.headers["Authorization"].encode("latin-1").decode() for request in receiver.requests} == {
        f"Bearer {secret}"
    }


@pytest.mark.parametrize(
    "url",
    [
        "ftp://localhost/", "localhost:80", "http://", "http://user:pass@localhost/", "http://localhost:99999/",
        "http://169.254.169.254/latest/meta-data", "http://[fe80::1]/", "http://0.0.0.0/", "http://224.0.0.1/",
        "http://[::ffff:169.254.169.254]/", "http://local host/", "http://localhost/\r\nX: y", "http://[::1",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_model_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        endpoint.place(url)


def test_a_name_that_does_not_exist_is_told() -> None:
    with pytest.raises(WatchkeeperError, match="cannot be resolved"):
        endpoint.place("http://model.invalid/")


def test_another_machine_needs_a_confirmation_and_production_another() -> None:
    there = endpoint.place("http://192.0.2.7/score")
    for confirmed, environment, yes, error in (
        ("", "staging", True, "nobody has confirmed"),
        ("192.0.2.8", "staging", True, "nobody has confirmed"),
        ("192.0.2.7", "production", False, "environment production"),
    ):
        with pytest.raises(AccessError, match=error):
            endpoint.permit(there, environment, 10, None, confirmed=confirmed, yes=yes)
    endpoint.permit(there, "staging", 10, None, confirmed="192.0.2.7", yes=False)
    endpoint.permit(there, "production", 10, None, confirmed="192.0.2.7", yes=True)
    with pytest.raises(InputError, match="more than the maximum of 1000"):
        endpoint.permit(there, "staging", 1001, None, confirmed="192.0.2.7", yes=True)
    assert endpoint.permit(there, "staging", 1001, 2000, confirmed="192.0.2.7", yes=True) == 2000
    assert endpoint.permit(there, "staging", 900, None, confirmed="192.0.2.7", yes=True) == 1000


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("Authorization", "needs NAME=VALUE"),
        ("A=${env:NO_SUCH}", "environment variable NO_SUCH is not set"),
        ("A=${file:/no/such}", "cannot be read"),
        ("A=${TOKEN}", "without a reference"),
        ("A=x\r\nB: y", "line break"),
        ("A B=x", "invalid name"),
    ],
)
def test_a_header_that_cannot_be_sent_is_told_without_its_value(header: str, message: str) -> None:
    where = endpoint.place("http://127.0.0.1:9/")
    with pytest.raises(InputError, match=message):
        endpoint.endpoint(where, endpoint.DEFAULT_TEMPLATE, SHAPE, [header], {}, endpoint.Options())


def test_a_template_that_cannot_be_used_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_text('{"features": "$features",\n "x": }')
    with pytest.raises(InputError, match=r"request\.json:2:7: Expecting value"):
        endpoint.template_of(path)
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="cannot be read as JSON"):
        endpoint.template_of(path)
    with pytest.raises(InputError, match="names the feature 'amout'"):
        payloads.filled({"x": ["$features.amout"]}, SHAPE)
