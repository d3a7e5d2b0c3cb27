"""The engineers' page of rollouts: the steps and signals of a version, whatever it is called; and its stop button."""

import re
from html import unescape
from urllib.parse import quote

import pytest

from monitor.records import Stream
from monitor.rollouts import running
from monitor.rollouts.plan import DEFAULT, parse_plan
from monitor.store import api_keys, rollouts
from monitor.store.api_keys import KeyKind
from tests.support import clients
from tests.support.clients import NOW, Shop
from tests.support.server import serving

HOSTILE = "<script>alert(1)</script>\u202e{{7*7}}'\"" * 12
ODD = Stream("a?b #1 50%&ü", "m%20?x=1#y &amp; 'ü\"")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = clients.opened(tmp_path_factory.mktemp("rollouts"), hours=1, streams=(clients.FRAUD, ODD))
    with made.store.write() as connection:
        for stream, canary in ((clients.FRAUD, "8"), (ODD, HOSTILE[:512])):
            plan = parse_plan(DEFAULT, 60)
            running.start(connection, stream, canary, "7", plan, who="ada", address="here", now=NOW - 60)
    return made


def page_of(stream: Stream) -> str:
    return "/staff/m/" + "/".join(quote(part, safe="") for part in _parts(stream)) + "/rollout"


def _parts(stream: Stream) -> tuple[str, str, str]:
    return stream.client, stream.model, stream.environment


def test_a_running_rollout_is_shown_and_stopped_by_an_operator(shop: Shop) -> None:
    with serving(shop) as web:
        shown = web.get(page_of(clients.FRAUD)).text
        assert "8 receives 5 %" in shown
        assert "does the switch poll its share?" in unescape(shown)
        assert "5 % for 10m, 10 % for 10m" in shown
        assert (
            f'href="{page_of(clients.FRAUD)}"'
            in web.get(page_of(clients.FRAUD).removesuffix("/rollout")).text
        )
        odd = web.get(page_of(ODD)).text
        assert "<script>alert" not in odd
        assert HOSTILE[:30] in unescape(odd)
        [form] = re.findall(r'action="([^"]+/rollout/stop)"', odd)
        assert web.post(unescape(form), data={"csrf": ""}).status_code == 303
        assert web.post(unescape(form), data={"csrf": ""}).status_code == 404, "it is not running any more"
        with shop.store.read() as connection:
            known = rollouts.latest(connection, ODD)
        assert known is not None
        assert (known[1][-1].share, known[1][-1].state) == (0.0, rollouts.RolloutState.STOPPED)
        assert "receives 0 %" in web.get(page_of(ODD)).text
        assert (
            "Fraud check: a new version is being introduced. It has answered 5 % of the requests"
            in web.get("/c/acme/").text
        )
        assert "a new version was withdrawn" in web.get(f"/c/{quote(ODD.client, safe='')}/").text
        assert "No staged rollout yet" in web.get("/staff/m/acme/nothing/production/rollout").text


def test_readers_and_staff_of_another_client_neither_see_nor_stop_it(shop: Shop) -> None:
    with shop.store.write() as connection:
        tokens = [
            api_keys.create(connection, kind, client, NOW)[1]
            for kind, client in ((KeyKind.STAFF, "globex"), (KeyKind.PAGE, "acme"))
        ]
    with serving(shop) as web:
        for token in tokens:
            header = {"Authorization": f"Bearer {token}"}
            assert web.get(page_of(clients.FRAUD), headers=header).status_code in (401, 403, 404)
            stop = f"{page_of(clients.FRAUD)}/stop"
            assert web.post(stop, data={"csrf": ""}, headers=header).status_code in (401, 403, 404)
