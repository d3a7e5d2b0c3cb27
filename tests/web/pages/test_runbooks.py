"""Runbooks: served by the daemon, linked from each page, readable without a sign-in."""

import re
from pathlib import Path

import pytest

from monitor.metrics import METRICS
from monitor.rules import load
from monitor.rules.rule import RuleSet
from monitor.rules.settings import RuleSettings
from monitor.shipped import shipped
from monitor.store import api_keys
from monitor.store.api_keys import KeyKind
from monitor.web.settings import WebSettings
from tests.support import clients
from tests.support.server import serving

FOLDER = shipped("rules")
SHIPPED = load([FOLDER / f"{name}.yaml" for name in RuleSettings().packs], METRICS, FOLDER)
MADE_BY_THE_ENGINE = ("NoData", "Storm", "StoreDown")
OWN = """\
groups:
- name: g
  labels: {severity: critical}
  rules:
  - alert: RefundsStuck
    when: {metric: error_rate, over: open, above: 5%}
    annotations:
      summary: "{client}: <script>alert(1)</script>"
      impact: "Refunds <b>wait</b>."
      checks: |
        Is the bank up?
        Ask [the bank](javascript:alert(1)).
"""


def test_every_alert_has_a_runbook_that_a_stranger_can_read_and_whose_links_lead_somewhere(
    tmp_path: Path,
) -> None:
    shop = clients.opened(tmp_path, hours=1)
    with shop.store.write() as connection:  # once there is a key, nobody is trusted for where they are
        api_keys.create(connection, KeyKind.STAFF, "ops", now=clients.NOW)
    with serving(shop) as web:
        assert web.get("/staff/").status_code == 404
        for name in [rule.name for rule in SHIPPED.rules] + list(MADE_BY_THE_ENGINE):
            answer = web.get(f"/runbooks/{name}")
            assert answer.status_code == 200, name
            assert f"<h1>{name}</h1>" in answer.text
            for link in re.findall(r'href="([A-Za-z]+\.md)"', answer.text):
                assert web.get(f"/runbooks/{link}").status_code == 200, f"{name} links to {link}"


@pytest.mark.parametrize(
    "name", ["Nothing", "..%2f..%2fpyproject", "%00", "highErrorRate", "A" * 500, "x%0d%0ay"]
)
def test_what_is_no_alert_has_no_runbook(tmp_path: Path, name: str) -> None:
    with serving(clients.opened(tmp_path, hours=1)) as web:
        # An address with a control character is refused as such.
        assert web.get(f"/runbooks/{name}").status_code == (400 if name.startswith(("%0", "x%0")) else 404)


def own_rules(folder: Path) -> RuleSet:
    path = folder / "own.yaml"
    path.write_text(OWN, encoding="utf-8")
    return load([path], METRICS, folder)


def test_an_alert_of_your_own_shows_staff_what_its_rule_says_and_strangers_nothing(tmp_path: Path) -> None:
    shop, rules = clients.opened(tmp_path, hours=1), own_rules(tmp_path)
    with serving(shop, rule=rules.rule) as web:
        page = web.get("/runbooks/RefundsStuck").text
    assert "Is the bank up?" in page
    assert "Refunds &lt;b&gt;wait&lt;/b&gt;." in page
    assert "javascript:" not in re.findall(r'href="([^"]*)"', page)
    assert "<script>" not in page
    with shop.store.write() as connection:
        api_keys.create(connection, KeyKind.STAFF, "ops", now=clients.NOW)
    with serving(shop, rule=rules.rule) as web:
        assert web.get("/runbooks/RefundsStuck").status_code == 404


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("[::]:80", "http://[::1]:80"),
        ("watch.internal:9000", "http://watch.internal:9000"),
        ("127.0.0.1:0", ""),
    ],
)
def test_without_a_public_address_links_begin_with_the_one_that_is_listened_on(listen: str, url: str) -> None:
    assert WebSettings(listen=listen).local_url == url
