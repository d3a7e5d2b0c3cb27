"""Approval of versions: who has to decide, what counts, and what another content undoes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import InputError
from monitor.records import Stream
from monitor.releases.approval.approve import decide, decision_on, evidence, summary
from monitor.releases.approval.decision import approval_needed, waiting_for_client
from monitor.releases.settings import ReleasePolicy
from monitor.store import approvals, audit, releases
from monitor.store.approvals import CLIENT, TEAM, Approval
from monitor.store.audit import AuditFilter
from monitor.store.db import Store
from monitor.store.releases import Release
from tests.support import schema
from tests.support.postgresql import postgresql
from tests.support.thorough import examples

FRAUD, NOW = Stream("acme", "fraud"), 1_795_420_800.0
NONE, BY_TEAM, BY_CLIENT = (ReleasePolicy(approval=word) for word in ("none", "team", "client"))


def by(
    role: str, at: float = 1.0, *, approved: bool = True, digest: str = "", answers: str = "", **more: str
) -> Approval:
    return Approval(FRAUD, "8", role, approved, "kim", NOW + at, digest, answers=answers, **more)


def released(digest: str, at: float = 0.0, **components: str) -> Release:
    return Release(FRAUD, "8", digest, NOW + at, NOW + at, components=components)


@pytest.mark.parametrize(
    ("policy", "made", "missing", "says"),
    [
        (NONE, [], "", "no approval is required"),
        (BY_TEAM, [], TEAM, "version 8 needs the approval of the team"),
        (BY_TEAM, [by(TEAM)], "", "version 8 was approved by kim (team"),
        (BY_TEAM, [by(TEAM, approved=False, note="slow")], TEAM, "declined by kim (team, 2026-11-23T08:00:01Z): slow"),
        (BY_TEAM, [by(TEAM, 1), by(TEAM, 2, approved=False)], TEAM, "declined"),
        (BY_TEAM, [by(TEAM, 1, approved=False), by(TEAM, 2)], "", "approved by"),
        (BY_TEAM, [by(CLIENT)], TEAM, "needs the approval of the team"),
        (BY_TEAM, [replace(by(TEAM), version="7")], TEAM, "needs"),
        (BY_CLIENT, [by(TEAM)], CLIENT, "needs the approval of the client"),
        (BY_CLIENT, [by(CLIENT)], TEAM, "needs the approval of the team"),
        (BY_CLIENT, [by(TEAM), by(CLIENT, 2)], "", "kim (team, 2026-11-23T08:00:01Z) and kim (client"),
        (BY_CLIENT, [by(TEAM), by(CLIENT, 2, approved=False)], CLIENT, "declined"),
        (BY_TEAM, [replace(by(TEAM), who="\u202ekim")], "", r"\u202ekim"),
    ],
)  # fmt: skip
def test_who_has_to_decide(policy: ReleasePolicy, made: list[Approval], missing: str, says: str) -> None:
    decision = approval_needed(policy, "8", made, [])
    assert (decision.is_needed, decision.role) == (bool(missing), missing)
    assert says in decision.reason
    assert decision.reason.isprintable()


def test_another_content_undoes_an_approval_and_an_announcement_does_not() -> None:
    seen, announced = released("a", image="x", commit="1"), released("b", 5)
    other = released("c", 9, image="y", commit="1")
    made = [by(TEAM, digest="a")]
    assert not approval_needed(BY_TEAM, "8", made, [seen, announced]).is_needed
    changed = approval_needed(BY_TEAM, "8", made, [seen, announced, other])
    assert changed.reason == "version 8 differs from what the team approved: image"
    assert not approval_needed(
        BY_TEAM, "8", [*made, by(TEAM, 10, digest="c")], [seen, announced, other]
    ).is_needed
    assert "no longer recorded" in approval_needed(BY_TEAM, "8", made, [other]).reason


def test_what_waits_for_the_client() -> None:
    first, second = by(TEAM, 1), by(TEAM, 5)
    assert waiting_for_client(BY_TEAM, [first], []) == []
    assert waiting_for_client(BY_CLIENT, [first], []) == [first]
    declined = by(CLIENT, 2, approved=False, answers=first.id)
    assert waiting_for_client(BY_CLIENT, [first, declined], []) == []
    assert waiting_for_client(BY_CLIENT, [first, declined, second], []) == [second]
    agreed = by(CLIENT, 6, answers=second.id)
    assert waiting_for_client(BY_CLIENT, [first, declined, second, agreed], []) == []


statement = st.builds(
    by, st.sampled_from([TEAM, CLIENT]), st.integers(0, 9), approved=st.booleans(),
    digest=st.sampled_from(["", "a", "b"]),
)  # fmt: skip


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(statement), st.lists(st.sampled_from([released("a", image="x"), released("b", 3, image="y")]))
)
def test_law_a_stricter_policy_never_lets_more_pass(made: list[Approval], recorded: list[Release]) -> None:
    made.sort(key=lambda one: one.at)
    needed = [approval_needed(policy, "8", made, recorded).is_needed for policy in (NONE, BY_TEAM, BY_CLIENT)]
    assert needed == sorted(needed)
    assert not needed[0]
    if not needed[1]:
        assert any(one.role == TEAM and one.approved for one in made)
    if not needed[2]:
        assert any(one.role == CLIENT and one.approved for one in made)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if request.param == "sqlite":
        made = Store(f"sqlite:///{tmp_path_factory.mktemp('approvals')}/a.db")
        schema.create(made)
        yield made
        return
    with postgresql() as server:
        made = Store(server.url)
        schema.create(made)
        yield made
        made.close()


def test_two_answers_of_the_client_at_once_are_one_and_a_decision_made_again_is_none(store: Store) -> None:
    asked = by(TEAM, note="gate \u2028 passed\r\nwith ease", evidence='{"outcome": "pass"}')

    def put(one: Approval) -> bool:
        with store.write() as connection:
            return decide(connection, one, "command line")

    with store.write() as connection:
        releases.add(connection, released("a" * 64, image="x"))
    assert [put(asked), put(replace(asked, at=NOW + 99))] == [True, False]
    with ThreadPoolExecutor(4) as pool:
        answers = [
            by(CLIENT, 5 + n, approved=n % 2 == 0, digest="a" * 64, answers=asked.id) for n in range(4)
        ]
        assert sorted(pool.map(put, answers)) == [False, False, False, True]
    with store.read() as connection:
        stored = approvals.of(connection, FRAUD)
        assert [(one.role, one.digest) for one in stored] == [(TEAM, "a" * 64), (CLIENT, "a" * 64)]
        assert stored[0].note.isprintable()
        assert stored == approvals.of_client(connection, "acme")
        entries = audit.find(connection, AuditFilter(client="acme"), 0, 10)
        assert len(entries) == 2
        assert {one.action for one in entries} == {"change"}
        is_agreed = stored[1].approved
        assert decision_on(connection, FRAUD, "8", BY_CLIENT).is_needed is not is_agreed
    with store.write() as connection:
        releases.add(connection, replace(released("b" * 64, 1e6, image="y")))
    with store.read() as connection:
        assert "differs from what the team approved" in decision_on(connection, FRAUD, "8", BY_TEAM).reason


@pytest.mark.parametrize(
    "wrong",
    [
        replace(by(TEAM), version=""), replace(by(TEAM), version="8\0"), replace(by(TEAM), version="é" * 513),
        replace(by(TEAM), who=" \n"), replace(by(TEAM), note="x" * 2001),
    ],
)  # fmt: skip
def test_a_decision_that_cannot_be_stored_is_an_error_in_words(tmp_path: Path, wrong: Approval) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    with pytest.raises(InputError), store.write() as connection:
        decide(connection, wrong, "")


@pytest.mark.parametrize("content", [b"", b"[]", b"8", b"{", b"\xff", b'{"a":' * 5000, b" " * 300_000])
def test_evidence_that_is_no_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(InputError):
        evidence(content)


def test_evidence_is_told_in_a_line() -> None:
    assert (
        summary(evidence(b'{"outcome": "pass",\n "reason": "no worse\\nthan 7", "items": [1]}'))
        == "pass: no worse than 7"
    )
    assert summary(evidence(b'{"outcome": 1}')) == ""
    assert summary("") == ""
    assert summary("damaged") == "cannot be read"


def test_a_client_approves_what_the_page_has_shown_and_not_what_came_meanwhile(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    asked = by(TEAM, note="seen")
    with store.write() as connection:
        releases.add(connection, released("a" * 64, image="x"))
        decide(connection, asked, "")
        [seen] = approvals.of(connection, FRAUD)
        releases.add(connection, released("b" * 64, 3, preprocessing="y"))  # announces what nobody has seen
        decide(connection, by(CLIENT, 5, digest=seen.digest, answers=seen.id), "")
        assert not decision_on(connection, FRAUD, "8", BY_CLIENT).is_needed
        releases.add(connection, released("c" * 64, 9, image="z"))
        changed = decision_on(connection, FRAUD, "8", BY_CLIENT)
    assert changed.is_needed
    assert [one.digest for one in (seen,)] == ["a" * 64]
