"""A page leads to its runbook and to a page of the daemon that is there."""

from dataclasses import replace
from pathlib import Path

from monitor.alerts.compose import compose
from monitor.alerts.settings import AlertSettings
from monitor.records import DAEMON, Action, Alert, Severity, State, Stream
from tests.support import clients
from tests.support.clients import CHURN, FRAUD, NOW, fire
from tests.support.server import serving

SETTINGS = AlertSettings(
    public_url="https://watch.example.org/", runbook_url="https://docs.example.org/{alert}"
)


def links(*alerts: Alert) -> dict[str, str]:
    said = compose(Action.TRIGGER, "key", alerts, SETTINGS, NOW)
    return {link.text: link.href.removeprefix("https://") for link in said.links}


def firing(stream: Stream) -> Alert:
    return Alert("f" * 16, "Bad", Severity.CRITICAL, stream, state=State.FIRING, fired_at=NOW)


def test_one_model_one_page() -> None:
    found = links(firing(Stream("acme & co", "fraud")))
    assert found == {
        "Runbook": "docs.example.org/Bad",
        "Alert page": "watch.example.org/staff/alerts/ffffffffffffffff?episode=0",
    }


def test_what_is_about_many_models_leads_to_the_overview_and_the_daemon_has_alert_pages_too() -> None:
    many = links(firing(FRAUD), replace(firing(CHURN), fingerprint="e" * 16))
    assert many == {"Runbook": "docs.example.org/Storm", "Overview": "watch.example.org/staff/"}
    assert links(firing(DAEMON)) == {
        "Runbook": "docs.example.org/Bad",
        "Alert page": "watch.example.org/staff/alerts/ffffffffffffffff?episode=0",
    }


def test_every_link_of_a_page_and_of_the_overview_leads_somewhere(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=1)
    alerts = [fire(shop), fire(shop, DAEMON, rule="DiskNearlyFull")]
    with serving(shop) as web:
        for alert in alerts:
            page = next(href for text, href in links(alert).items() if text != "Runbook")
            assert web.get(page.removeprefix("watch.example.org")).status_code == 200
        overview = web.get("/staff/").text
    assert "DiskNearlyFull" in overview
    assert "/staff/m/watchkeeper" not in overview


def test_the_daemon_serves_the_runbook_unless_it_lies_elsewhere_and_says_where_a_link_works() -> None:
    def runbooks(settings: AlertSettings, alert: Alert) -> dict[str, str]:
        said = compose(Action.TRIGGER, "key", [alert], settings, NOW)
        return {link.text: link.href for link in said.links if link.text.startswith("Runbook")}

    bad = firing(FRAUD)
    served = AlertSettings(public_url="https://watch.example.org/prefix/")
    assert runbooks(served, bad) == {"Runbook": "https://watch.example.org/prefix/runbooks/Bad"}
    local = AlertSettings(public_url="http://127.0.0.1:8080")
    only_here = "Runbook (reachable only on the daemon's machine; set web.public_url)"
    assert runbooks(local, bad) == {only_here: "http://127.0.0.1:8080/runbooks/Bad"}
    assert runbooks(AlertSettings(), bad) == {}
    own = replace(bad, annotations=(("runbook_url", "https://wiki.example.org/bad"),))
    assert runbooks(local, own) == {"Runbook": "https://wiki.example.org/bad"}
