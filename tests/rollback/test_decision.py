"""Whether a version is rolled back: one table, each row one circumstance that differs from a plain bad canary."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.records import Stream
from monitor.rollback.comparison import ArmFigure, Blame, Breach, VersionFigures, blame
from monitor.rollback.decision import Policy, RollbackDecision, RollbackSituation, Trigger, decide, not_live
from monitor.store.model_versions import Version
from monitor.store.rollbacks import Rollback, RollbackState

STREAM = Stream("acme", "fraud")
NOW = 1_800_000_000.0
OLD = Version(STREAM, "7", NOW - 86_400, NOW)
NEW = Version(STREAM, "8", NOW - 1200, NOW)
TRIGGER = Trigger("HighErrorRate", "rollback", "9 % fail")
POLICY = Policy("on", True, 1800.0, 2)
PLAIN = RollbackSituation(STREAM, POLICY, (OLD, NEW), (), "", NOW)
GUILTY, INNOCENT = Blame(True, "8 fails"), Blame(False, "both fail")


def past(version: str, ago: float, **fields: Any) -> Rollback:
    usual: dict[str, Any] = {
        "trigger": "HighErrorRate", "mode": "on", "id": f"{version}-{ago:g}"[:12], "kind": "rollback",
        "state": RollbackState.VERIFIED, "executor": "webhook", "other": "7", "reason": "", "author": "",
    }  # fmt: skip
    return Rollback(STREAM, version, **(usual | fields), decided_at=NOW - ago)


def policy(**fields: Any) -> RollbackSituation:
    return replace(PLAIN, policy=replace(POLICY, **fields))


def decided(
    situation: RollbackSituation, trigger: Trigger = TRIGGER, found: Blame = GUILTY
) -> RollbackDecision:
    return decide(trigger, situation, lambda _new, _old: found)


def test_a_bad_new_version_is_rolled_back_to_the_other_one() -> None:
    assert decided(PLAIN) == RollbackDecision("rollback", "8 fails", "8", "7")


HELD = {
    "off": (policy(mode="off"), "off for this model"),
    "no executor": (policy(has_executor=False), "no executor"),
    "kill switch": (replace(PLAIN, stopped="stopped by Ann"), "stopped by Ann"),
    "no versions": (replace(PLAIN, versions=()), "no versions"),
    "one version": (replace(PLAIN, versions=(NEW,)), "no other version"),
    "gone": (replace(PLAIN, versions=(OLD, replace(NEW, last_seen=NOW - 200))), "has not answered for 3m20s"),
    "never": (policy(never=("8",)), "listed under `never`"),
    "cool-down": (replace(PLAIN, past=(past("6", 600),)), "less than 30m ago"),
    "a clock set back": (replace(PLAIN, past=(past("6", -600),)), "less than 30m ago"),
    "twice today": (replace(PLAIN, past=(past("5", 4000), past("6", 8000))), "2 rollbacks in 24 hours"),
    "once already": (
        replace(PLAIN, past=(past("8", 9000, trigger="HighLatency"),)),
        "already had its one order",
    ),
    "failed already": (
        replace(PLAIN, past=(past("8", 9000, state=RollbackState.FAILED),)),
        "already had its one order",
    ),
}


@pytest.mark.parametrize("name", HELD)
def test_nothing_is_done(name: str) -> None:
    situation, reason = HELD[name]
    held = decided(situation)
    assert held.kind is None
    assert reason in held.reason


def test_both_bad_is_not_the_new_versions_fault() -> None:
    assert decided(PLAIN, found=INNOCENT).reason == "not the new version's fault: both fail"


@pytest.mark.parametrize(
    "before",
    [
        past("8", 100, state=RollbackState.WITHHELD),
        past("8", 100, mode="dry-run"),
        past("6", 100, mode="drill"),
    ],
    ids=["withheld", "dry run", "drill"],
)
def test_what_was_not_really_ordered_does_not_count(before: Rollback) -> None:
    assert decided(replace(PLAIN, past=(before,))).kind == "rollback"


def test_a_migration_is_frozen_and_so_is_what_the_rule_says() -> None:
    assert decided(policy(migration=("8",))).kind == "freeze"
    assert decided(PLAIN, replace(TRIGGER, action="freeze")).kind == "freeze"
    assert decided(policy(migration=("8",), never=("8",))).kind is None
    cool = replace(policy(migration=("8",)), past=(past("6", 60),))
    assert decided(cool).kind == "freeze"  # a freeze takes nothing back, so it need not wait


def test_of_two_versions_that_began_in_the_same_minute_nobody_knows_which_is_new() -> None:
    twins = replace(PLAIN, versions=(replace(OLD, first_seen=NEW.first_seen), NEW))
    assert "it is unknown which of them is new" in decided(twins).reason
    named = replace(TRIGGER, version="7")
    assert decided(twins, named) == RollbackDecision("rollback", "8 fails", "7", "8")


def test_an_alert_about_an_older_version_rolls_nothing_back() -> None:
    assert "about version 7" in decided(PLAIN, replace(TRIGGER, version="7")).reason
    assert decided(PLAIN, replace(TRIGGER, version="8")).kind == "rollback"


def test_a_verdict_needs_no_second_comparison() -> None:
    judged = replace(TRIGGER, version="8", is_judged=True)
    assert decided(PLAIN, judged, INNOCENT) == RollbackDecision("rollback", "9 % fail", "8", "7")


def test_a_dry_run_decides_without_an_executor() -> None:
    assert decided(policy(mode="dry-run", has_executor=False)).kind == "rollback"


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_name_of_a_version_gives_a_printable_reason(one: str, two: str) -> None:
    versions = (Version(STREAM, one, NOW - 900, NOW - 600), Version(STREAM, two, NOW - 1200, NOW))
    assert decided(replace(PLAIN, versions=versions)).reason.isprintable()
    assert not_live(two, versions, NOW).isprintable()


# Whose fault it is.

ERRORS = Breach("error_rate", 0.05, "share", True, NOW - 240)
MINUTES = [int(NOW) - 60 * back for back in range(1, 5)]


def arm(version: str, value: float, n: float = 300.0, minutes: list[int] = MINUTES) -> VersionFigures:
    return VersionFigures(version, {start: ArmFigure(n, value) for start in minutes})


def fault(
    new: VersionFigures, other: VersionFigures, breach: Breach = ERRORS, young: float | None = NOW - 600
) -> Blame:
    return blame(breach, new, other, young)


def test_the_version_that_alone_fails_is_at_fault() -> None:
    found = fault(arm("8", 0.3, n=30), arm("7", 0.01))
    assert found.is_new
    assert found.reason == "30.0% of version 8's 120, 1.0% of version 7's 1,200 in the same minutes"


def test_a_shared_cause_is_nobodys_fault() -> None:
    assert not fault(arm("8", 0.3), arm("7", 0.3)).is_new
    assert not fault(arm("8", 0.3), arm("7", 0.25)).is_new
    assert "within the limit" in fault(arm("8", 0.02), arm("7", 0.9)).reason


def test_few_answers_prove_nothing() -> None:
    assert "fewer than 20" in fault(arm("8", 1.0, n=2), arm("7", 0.0)).reason
    assert not fault(arm("8", 0.1, n=6), arm("7", 0.05, n=6)).is_new


def test_only_the_same_minutes_count() -> None:
    """The other version failed before this one came: that says nothing about now."""
    earlier = {start - 600: ArmFigure(300, 0.9) for start in MINUTES}
    assert fault(arm("8", 0.3), VersionFigures("7", earlier | dict(arm("7", 0.01).minutes))).is_new
    assert not fault(VersionFigures("8", {MINUTES[0] - 600: ArmFigure(300, 0.9)}), arm("7", 0.01)).is_new


def test_after_a_switch_a_young_version_is_compared_with_the_last_minutes_before_it() -> None:
    before = [int(NOW) - 600 - 60 * back for back in range(1, 5)]
    other = arm("7", 0.01, minutes=before)
    assert fault(arm("8", 0.3), other).is_new
    assert "in its last minutes" in fault(arm("8", 0.3), other).reason
    assert not fault(arm("8", 0.3), arm("7", 0.3, minutes=before)).is_new
    assert "more than an hour" in fault(arm("8", 0.3), other, young=None).reason


def test_latency_is_compared_minute_by_minute() -> None:
    slow = Breach("latency_p95", 0.2, "seconds", True, NOW - 240)
    assert fault(arm("8", 0.5), arm("7", 0.1), slow).is_new
    assert "both versions" in fault(arm("8", 0.5), arm("7", 0.4), slow).reason
    assert "not beyond it" in fault(arm("8", 0.1), arm("7", 0.1), slow).reason
    assert "fewer than 2 minutes" in fault(arm("8", 0.5, minutes=MINUTES[:1]), arm("7", 0.1), slow).reason


def test_a_metric_that_should_be_high_is_bad_below_its_limit() -> None:
    low = Breach("accuracy", 0.8, "share", False, NOW - 240)
    assert fault(arm("8", 0.6), arm("7", 0.9), low).is_new
    assert not fault(arm("8", 0.6), arm("7", 0.6), low).is_new


@given(st.floats(0, 1), st.integers(1, 400), st.integers(1, 400))
def test_equal_rates_are_never_anybodys_fault(rate: float, mine: int, theirs: int) -> None:
    """Exactly equal rates can never be proven to differ."""
    assert not fault(arm("8", rate, n=mine), arm("7", rate, n=theirs)).is_new
