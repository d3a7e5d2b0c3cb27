"""What stands in front of the application: two addresses answered at once, all others handed on."""

import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from monitor.web import reply
from monitor.web.front import Front
from monitor.web.meters import Meters


@get("/page", sync_to_thread=False)
def page() -> str:
    return "a page"


async def taken(scope, receive):
    return reply.of_json(202, b"{}")


async def broken(scope, receive):
    raise ZeroDivisionError("nobody foresaw this")


def front(endpoint):
    meters = Meters()
    return Front({"/v1/hot": endpoint}, Litestar([page], logging_config=None), meters, is_secure=True), meters


@pytest.mark.parametrize("path", ["/v1/hot", "/v1/hot/"])
def test_a_hot_address_is_answered_with_the_headers_of_every_answer_and_counted(path):
    app, meters = front(taken)
    with TestClient(app) as client:
        answer = client.post(path)
    assert answer.status_code == 202
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    counted = meters.registry.get_sample_value(
        "watchkeeper_http_requests_total", {"handler": "/v1/hot", "code": "202"}
    )
    assert counted == 1


def test_what_nobody_foresaw_is_500_in_the_usual_shape_and_tells_the_sender_nothing(caplog):
    app, _ = front(broken)
    with TestClient(app) as client:
        answer = client.post("/v1/hot")
    assert (answer.status_code, answer.json()["error"]) == (500, "something went wrong here")
    assert "nobody foresaw" not in answer.text
    assert "POST /v1/hot failed" in caplog.text


def test_everything_else_is_the_application_s():
    app, _ = front(broken)
    with TestClient(app) as client:
        answer = client.get("/page")
    assert (answer.status_code, answer.text) == (200, "a page")
