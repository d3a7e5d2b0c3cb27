"""The team approves a version on the engineers' page: operators, from our own form, what the form has shown."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

import httpx2
import pytest

from monitor.records import Stream
from monitor.releases.approval.approve import decision_on
from monitor.releases.settings import ReleasePolicy
from monitor.store import api_keys, approvals, audit, releases, sessions
from monitor.store.api_keys import KeyKind
from monitor.store.approvals import TEAM, Approval
from monitor.store.audit import AuditFilter
from monitor.store.releases import Release
from monitor.store.sessions import Session
from monitor.web.settings import OidcSettings, Role, WebSettings
from tests.support import clients
from tests.support.clients import FRAUD, NOW, Shop
from tests.support.server import serving

POLICY = ReleasePolicy(approval="team")
HOSTILE = "8<script>alert(1)</script>{{7*7}}'\"&x=1#y"
ISSUER = "https://login.example.org"
PATH = "/staff/m/acme/fraud/production/approval"


@dataclass
class Team:
    """A shop whose versions need the approval of the team, and its web."""

    shop: Shop
    web: httpx2.Client

    def cookie(self, role: str, client: str = "") -> dict[str, str]:
        """A person of this role, or with a `client`, somebody with a key that is bound to it."""
        name, until = f"{role} ann", NOW + 3600
        with self.shop.store.write() as connection:
            if client:
                kind = KeyKind.STAFF if role else KeyKind.PAGE
                bound = api_keys.bounds(kind, role, (), ())
                key, _ = api_keys.create(connection, kind, client, NOW, bound=bound)
                session = Session(name, role, client, key.id, NOW, until, authenticated_at=NOW)
            else:
                session = Session(
                    name,
                    role,
                    "",
                    "",
                    NOW,
                    until,
                    issuer=ISSUER,
                    subject=name,
                    groups=(role,),
                    authenticated_at=NOW,
                )
            return {"Cookie": f"watchkeeper_session={sessions.open_session(connection, session)}"}

    def form(self, version: str, cookie: dict[str, str], **fields: str) -> dict[str, str]:
        page = self.web.get(PATH, params={"version": version}, headers=cookie)
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
        return {
            **{name: unescape(value) for name, value in hidden},
            "note": "seen",
            "decision": "approve",
            **fields,
        }

    def post(self, form: dict[str, str], cookie: dict[str, str], path: str = f"{PATH}/decide") -> int:
        return self.web.post(path, data=form, headers=cookie).status_code

    def decided(self, version: str) -> list[Approval]:
        with self.shop.store.read() as connection:
            return [one for one in approvals.of(connection, FRAUD) if one.version == version]


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    shop = clients.opened(tmp_path_factory.mktemp("approval"), hours=1)
    with shop.store.write() as connection:
        for version in ("8", HOSTILE):
            releases.add(connection, Release(FRAUD, version, "a" * 64, NOW - 60, NOW - 60))
    roles: dict[str, Role] = {"operator": "operator", "viewer": "viewer"}
    settings = WebSettings(oidc=OidcSettings(issuer=ISSUER, client_id="w", roles=roles))
    with serving(shop, settings=settings, release_policy=lambda _stream: POLICY) as web:
        yield Team(shop, web)


@pytest.mark.parametrize("version", ["8", HOSTILE, "9 of tomorrow"])
def test_an_operator_approves_what_the_form_has_shown(team: Team, version: str) -> None:
    ann = team.cookie("operator")
    page = team.web.get(PATH, params={"version": version}, headers=ann).text
    assert "May not be promoted yet" in page
    assert "<script>alert" not in page
    assert team.post(team.form(version, ann, evidence='{"outcome": "pass", "reason": "as good"}'), ann) == 303
    [one] = team.decided(version)
    assert (one.role, one.approved, one.who, one.note) == (TEAM, True, "person operator ann", "seen")
    assert one.digest == ("a" * 64 if version != "9 of tomorrow" else "")
    after = team.web.get(PATH, params={"version": version}, headers=ann).text
    assert "May be promoted" in after
    assert "pass: as good" in after
    team.shop.clock.advance(1)
    assert team.post(team.form(version, ann, decision="decline", note="a doubt"), ann) == 303
    with team.shop.store.read() as connection:
        assert "declined by person operator ann" in decision_on(connection, FRAUD, version, POLICY).reason
        entries = audit.find(
            connection, AuditFilter(client="acme", action="change", target=f"version {version} of"), 0, 9
        )
    assert [(one.who, one.target.split()[0]) for one in entries] == [
        ("person operator ann", "decline"),
        ("person operator ann", "approve"),
    ]


def test_a_version_that_was_released_again_has_to_be_read_again(team: Team) -> None:
    ann = team.cookie("operator")
    with team.shop.store.write() as connection:
        releases.add(connection, Release(FRAUD, "10", "b" * 64, NOW - 60, NOW - 60))
    form = team.form("10", ann)
    with team.shop.store.write() as connection:
        releases.add(connection, Release(FRAUD, "10", "c" * 64, NOW - 30, NOW - 30))
    assert team.post(form, ann) == 409
    assert team.decided("10") == []
    assert team.post(team.form("10", ann), ann) == 303
    assert team.decided("10")[0].digest == "c" * 64


def test_nobody_else_decides(team: Team) -> None:
    ann, viewer = team.cookie("operator"), team.cookie("viewer")
    form = team.form("11", ann)
    assert "Operators decide." in team.web.get(PATH, params={"version": "11"}, headers=viewer).text
    stranger, reader = team.cookie("operator", "globex"), team.cookie("", "acme")
    with_other_session = {"csrf": form["csrf"][::-1]}
    assert team.post(form, viewer) == 403
    assert team.post(form | with_other_session, ann) == 403
    assert team.post(form, ann | {"Sec-Fetch-Site": "cross-site"}) == 403
    assert team.post(team.form("11", stranger) | {"version": "11"}, stranger) in (403, 404)
    assert team.post(form, reader) == 404
    for wrong in ({"note": " "}, {"decision": "maybe"}, {"note": "x" * 2001}, {"evidence": "[1]"}):
        assert team.post(form | wrong, ann) == 400, wrong
    for wrong in ({"version": ""}, {"version": "x" * 600}, {"version": "a\x00b"}):
        assert team.post(form | wrong, ann) == 404, wrong
    assert team.decided("11") == []


def test_the_model_page_leads_to_it(team: Team) -> None:
    ann = team.cookie("operator")
    page = team.web.get(PATH.removesuffix("/approval"), headers=ann).text
    assert f'href="{PATH}?version=8"' in page
    newest = team.web.get(PATH, headers=ann)
    assert newest.status_code == 200
    empty = Stream("acme", "ranking")
    assert (
        team.web.get(f"/staff/m/{empty.client}/{empty.model}/production/approval", headers=ann).status_code
        == 404
    )
