"""HEAD on every page: what GET answers, without its body."""

import httpx2
import pytest

from monitor.web.app import create
from tests.support import clients
from tests.support.server import services, serving

NAMES = {"key": "acme", "client": "acme", "model": "fraud", "metric": "psi"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return clients.opened(tmp_path_factory.mktemp("head"), hours=1)


def addresses(shop):
    """Every address of the application that GET is for, with names in the place of its parts."""
    found = set()
    for route in create(services(shop)).routes:
        if "GET" in getattr(route, "methods", ()):
            parts = [
                NAMES.get(part.strip("{}").partition(":")[0], "x") if part.startswith("{") else part
                for part in route.path.split("/")
            ]
            found.add("/".join(parts))
    return sorted(found)


def test_head_answers_as_get_does_everywhere(shop):
    with serving(shop) as client:
        asked = addresses(shop)
        assert len(asked) > 20
        for address in asked:
            head = client.head(address)
            assert head.content == b""
            with client.stream("GET", address) as answer:
                assert (address, head.status_code) == (address, answer.status_code)
            assert head.headers["x-content-type-options"] == "nosniff"
            assert head.headers.get("content-type") == answer.headers.get("content-type")


def test_head_of_a_stream_ends(shop):
    with serving(shop) as client:
        assert client.head("/c/acme/events").headers["content-type"].startswith("text/event-stream")
        assert isinstance(client.get("/healthz"), httpx2.Response)
