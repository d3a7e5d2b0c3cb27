"""Updates on incidents: what may be written, which incident is meant, and what a cause may say to a client."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts.diagnosis import causes
from monitor.errors import InputError, NotFoundError
from monitor.health import client_state, notes
from monitor.health.model_state import ClientIncident
from monitor.records import Diagnosis, Severity
from monitor.store import alerts, audit, incident_notes
from tests.support import clients
from tests.support.clients import CHURN, CLIENTS, FRAUD, NOW, Shop, fire, resolve
from tests.web.pages.test_client_view import JARGON

HOSTILE = "\x00a\r\nBcc: x\u2028\u202e<script>alert('1')</script>\ud800 {{7*7}}"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return clients.opened(tmp_path, hours=1)


def incidents(shop: Shop, now: float = NOW) -> list[ClientIncident]:
    with shop.store.read() as connection:
        return client_state.incidents(connection, "acme", CLIENTS["acme"], now)


def write(shop: Shop, word: str, text: str, at: float = NOW) -> incident_notes.IncidentNote:
    with shop.store.write() as connection:
        found = client_state.incidents(connection, "acme", CLIENTS["acme"], at)
        chosen = notes.named(found, word)
        return notes.write(connection, chosen, text, author="lea", address="here", now=at)


@given(text=st.text(max_size=2 * notes.LONGEST))
def test_any_text_becomes_one_visible_line_or_is_refused(text: str) -> None:
    try:
        written = notes.checked(text)
    except InputError:
        assert not text.split() or len(text) * 10 > notes.LONGEST
        return
    assert 0 < len(written) <= notes.LONGEST
    assert written.splitlines() == [written]
    assert written.encode()
    assert notes.checked(written) == written


def test_an_update_stands_on_its_incident_and_is_audited(shop: Shop) -> None:
    fire(shop)
    note = write(shop, "acme/fraud/LowAccuracy", HOSTILE)
    assert note.text == notes.checked(HOSTILE)
    [incident] = incidents(shop)
    assert incident.notes == (note,)
    with shop.store.read() as connection:
        [entry] = audit.latest(connection, "acme")
    assert (entry.who, entry.action) == ("lea", "change")
    assert entry.target.startswith(f"note on {incident.id}: ")


def test_an_update_belongs_to_its_episode_and_not_to_the_next(shop: Shop) -> None:
    first = fire(shop, at=NOW - 7200)
    write(shop, "acme/fraud/LowAccuracy", "The first time.", NOW - 7000)
    resolve(shop, first, NOW - 3600)
    write(shop, "acme/fraud/production/LowAccuracy", "It is over.", NOW - 3500)
    again = replace(first, episode=2, fired_at=NOW - 600)
    with shop.store.write() as connection:
        alerts.put(connection, [again])
    assert [one.notes for one in incidents(shop) if one.started == NOW - 600] == [()]
    old = next(one for one in incidents(shop) if one.started == NOW - 7200)
    assert [note.text for note in old.notes] == ["The first time.", "It is over."]


def test_an_update_of_the_same_moment_is_stored_once(shop: Shop) -> None:
    fire(shop)
    write(shop, "acme/fraud/LowAccuracy", "once")
    write(shop, "acme/fraud/LowAccuracy", "once")
    [incident] = incidents(shop)
    assert len(incident.notes) == 1
    with shop.store.read() as connection:
        assert len(audit.latest(connection)) == 1


def test_one_that_is_withdrawn_is_gone_and_cannot_be_withdrawn_twice(shop: Shop) -> None:
    fire(shop)
    note = write(shop, "acme/fraud/LowAccuracy", "wrong")
    with shop.store.write() as connection:
        notes.withdraw(connection, "acme", note.id, author="lea", address="here", now=NOW)
        assert incident_notes.client_of(connection, note.id) == "acme"
        for client, identity in (("acme", note.id), ("globex", note.id), ("acme", "none")):
            with pytest.raises(NotFoundError):
                notes.withdraw(connection, client, identity, author="lea", address="here", now=NOW)
    assert incidents(shop)[0].notes == ()


def test_several_ongoing_incidents_of_one_name_need_an_id(shop: Shop) -> None:
    alert = fire(shop, CHURN, rule="Drift", severity=Severity.WARNING)
    other = replace(alert, fingerprint="0123456789abcdef", instance=(("feature", "age"),))
    with shop.store.write() as connection:
        alerts.put(connection, [other])
    with pytest.raises(InputError, match="2 ongoing incidents match") as error:
        write(shop, "acme/churn/Drift", "which?")
    assert alert.fingerprint in str(error.value.hint)
    write(shop, next(one.id for one in incidents(shop) if one.fingerprint == other.fingerprint), "this")
    with pytest.raises(NotFoundError):
        write(shop, "acme/churn/Nothing", "none")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("timeout in version 7, 62 % of its requests", "timeout in version 7, 62 % of its requests"),
        ("p95 300 ms in version 7", "95 of 100 answers within 300 ms in version 7"),
        ("accuracy 62 % in version 7 (90 % before)", "right answers 62 % in version 7 (90 % before)"),
        ("", ""),
    ],
)
def test_a_cause_is_plain_and_never_names_models_of_others(shop: Shop, what: str, said: str) -> None:
    other = replace(fire(shop, clients.PRICE, at=NOW), fired_at=NOW)
    alert = fire(shop, FRAUD, at=NOW)
    found = causes.elsewhere(alert, [alert, replace(other, rule=alert.rule)], NOW)
    assert found[0].startswith("1 model of other clients has ")
    known = Diagnosis(NOW, NOW, what, (*found, "version 7 is serving since 14:01 UTC (before: 6)"))
    with shop.store.write() as connection:
        alerts.put(connection, [replace(alert, diagnosis=known)])
    [incident] = incidents(shop)
    expected = [part for part in (said, "version 7 is serving since 14:01 UTC (before: 6)") if part]
    assert incident.cause == "; ".join(expected)
    assert JARGON.findall(incident.cause) == []
    with shop.store.write() as connection:
        alerts.put(connection, [replace(alert, diagnosis=Diagnosis(NOW, NOW, "", (causes.NONE_FOUND,)))])
    assert incidents(shop)[0].cause == ""
