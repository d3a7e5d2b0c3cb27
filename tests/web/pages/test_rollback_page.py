"""The engineers' page of rollback: decisions, drills, the plan, and the kill switch."""

import re
from html import unescape
from pathlib import Path

import pytest

from monitor.rollback.settings import RollbackSettings
from monitor.store import api_keys, audit, rollback_drills, rollback_stops, rollbacks
from monitor.store.api_keys import KeyKind
from monitor.store.rollback_drills import Drill, DrillStep
from monitor.store.rollbacks import Rollback, RollbackState
from tests.support import clients
from tests.support.clients import FRAUD, NOW, Shop
from tests.support.server import serving

HOSTILE = "<script>alert(1)</script>\u202e{{7*7}}'\""
PAGE = "/staff/m/acme/fraud/production/rollback"
SETTINGS = RollbackSettings.model_validate(
    {"mode": "on", "executor": {"kind": "command", "argv": ["roll-back", "{version}"]}}
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = clients.opened(tmp_path_factory.mktemp("rollback"), hours=1, streams=(FRAUD,))
    with made.store.write() as connection:
        row = Rollback(
            FRAUD, HOSTILE, "HighErrorRate", "on", "3f9a01bc77de", "rollback", RollbackState.FAILED, "command", "7",
            f"40 % of {HOSTILE}", "Ann", NOW - 60, detail=f"refused: {HOSTILE}",
        )  # fmt: skip
        rollbacks.add(connection, row)
        steps = (DrillStep("fault", 0.1, True, ""), DrillStep("execute", 1.5, False, HOSTILE))
        rollback_drills.put(connection, Drill(FRAUD, NOW - 90, NOW - 80, "failed", HOSTILE, "command", steps))
    return made


def test_it_shows_what_was_decided_practised_and_planned(shop: Shop) -> None:
    with serving(shop, rollback=lambda _: SETTINGS) as web:
        shown = web.get(PAGE).text
        assert "<script>alert" not in shown
        text = unescape(shown)
        for words in (
            f"40 % of {HOSTILE[:20]}",
            "execute 1.50 s",
            "mode: on · executor: command",
            "# Rollback plan:",
        ):
            assert words in text
        assert f'href="{PAGE}"' in web.get(PAGE.removesuffix("/rollback")).text
        assert "No decisions yet" in web.get("/staff/m/acme/nothing/production/rollback").text


def test_an_operator_stops_and_resumes(shop: Shop) -> None:
    with serving(shop, rollback=lambda _: SETTINGS) as web:
        form = {"csrf": "", "comment": HOSTILE}
        assert web.post(f"{PAGE}/stop", data=form).status_code == 303
        shown = web.get(PAGE).text
        assert "rollbacks of this model are stopped by" in shown
        assert "<script>alert" not in shown
        with shop.store.read() as connection:
            assert [one.stream for one in rollback_stops.in_force(connection)] == [FRAUD]
            assert audit.latest(connection)[0].target == "stop rollbacks acme/fraud/production"
        assert web.post(f"{PAGE}/resume", data=form).status_code == 303
        assert web.post(f"{PAGE}/resume", data=form).status_code == 404
        assert "Nothing stops rollbacks" in web.get(PAGE).text


def test_all_models_are_stopped_and_resumed_by_staff_of_all_clients(shop: Shop) -> None:
    with serving(shop, rollback=lambda _: SETTINGS) as web:
        form = {"csrf": "", "comment": "maintenance", "all": "1"}
        assert web.post(f"{PAGE}/stop", data=form).status_code == 303
        shown = web.get("/staff/m/acme/nothing/production/rollback").text
        assert "all rollbacks are stopped by" in shown
        assert "Resume rollbacks of all models" in shown
        with shop.store.read() as connection:
            assert [one.stream for one in rollback_stops.in_force(connection)] == [None]
        assert web.post(f"{PAGE}/resume", data={"csrf": ""}).status_code == 404, "it is not of this model"
        assert web.post(f"{PAGE}/resume", data=form).status_code == 303


def test_a_file_stops_what_the_page_cannot_resume(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    with serving(shop, rollback=lambda _: SETTINGS, rollback_stop_file=str(tmp_path / "stop")) as web:
        shown = web.get(PAGE).text
        assert "stopped by the file" in shown
        assert not re.search(r'action="[^"]+/rollback/resume"', shown)


def test_staff_of_another_client_and_readers_do_not_switch(shop: Shop) -> None:
    with shop.store.write() as connection:
        _, foreign = api_keys.create(connection, KeyKind.STAFF, "globex", NOW, name="foreign")
        _, page = api_keys.create(connection, KeyKind.PAGE, "acme", NOW, name="reader")
    with serving(shop, rollback=lambda _: SETTINGS) as web:
        for key in (foreign, page):
            headers = {"Authorization": f"Bearer {key}"}
            assert web.get(PAGE, headers=headers).status_code in (401, 403, 404)
            assert web.post(f"{PAGE}/stop", data={"csrf": ""}, headers=headers).status_code in (401, 403, 404)
    with shop.store.read() as connection:
        assert rollback_stops.in_force(connection) == []


def test_staff_of_one_client_switch_only_its_own_models(shop: Shop) -> None:
    form = {"csrf": "", "comment": "maintenance", "all": "1"}
    with shop.store.write() as connection:
        _, own = api_keys.create(connection, KeyKind.STAFF, "acme", NOW, name="own")
    with serving(shop, rollback=lambda _: SETTINGS) as web:
        headers = {"Authorization": f"Bearer {own}"}
        assert "all models" not in web.get(PAGE, headers=headers).text
        assert web.post(f"{PAGE}/stop", data=form, headers=headers).status_code in (403, 404)
