"""Drills, plans, orders by hand, and the figures that rules read of them."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from monitor.clock import ManualClock
from monitor.config.units import DAY, HOUR
from monitor.errors import InputError, NotFoundError
from monitor.records import Stream
from monitor.rollback import manual
from monitor.rollback.drill import DrillRun
from monitor.rollback.executors.executor import ExecutorSettings
from monitor.rollback.executors.registry import AnyExecutor
from monitor.rollback.manual import Requester, RollbackRequest
from monitor.rollback.procedure.plan import PlanContext, plan
from monitor.rollback.rollback_metrics import EVERY, RollbackHistory, RollbackMetrics, of_stream
from monitor.rollback.settings import RollbackSettings
from monitor.store import audit, rollback_drills
from monitor.store.db import Store
from monitor.store.model_versions import Version
from monitor.store.rollback_drills import Drill, DrillStep
from monitor.store.rollbacks import Rollback, RollbackState
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep, Stage
from tests.rollback.executors.test_bad_platforms import every
from tests.support import schema
from tests.support.orders import HOSTILE
from tests.support.rollback_timeline import COMMAND, STREAM, shipped_rules, timeline

NOW = 1_800_000_000.0
ANN = Requester("Ann", "command line", "wrong prices")
STEPS = ["fault", "alert", "decide", "execute", "verify", "resolve"]


def drill(folder: Path, **rollback: Any) -> Drill:
    settings = RollbackSettings.model_validate({"mode": "on", "executor": COMMAND} | rollback)
    where = Stream("acme", "fraud", "staging")
    run = DrillRun(where, settings, shipped_rules(), "8", "7", folder / "stop", "Ann", ManualClock(NOW + 7))
    return run.run()


def test_a_drill_goes_the_whole_way_and_measures_each_step(tmp_path: Path) -> None:
    done = drill(tmp_path)
    assert (done.outcome, done.executor) == ("passed", "dry run")
    assert [step.name for step in done.steps] == STEPS
    assert all(step.seconds >= 0 for step in done.steps)
    assert done.steps[3].words == "dry run: it would run roll-back 8"
    assert done.seconds == pytest.approx(sum(step.seconds for step in done.steps), abs=0.5)


def test_a_drill_calls_its_own_executor(tmp_path: Path) -> None:
    calls = {"kind": "command", "argv": ["touch", f"{tmp_path}/called-{{version}}"]}
    assert drill(tmp_path, drill_executor=calls).outcome == "passed"
    assert (tmp_path / "called-8").exists()


def test_a_drill_ends_at_the_step_that_fails(tmp_path: Path) -> None:
    failed = drill(tmp_path, drill_executor={"kind": "command", "argv": ["false"]})
    assert failed.outcome == "failed"
    assert [(step.name, step.worked) for step in failed.steps][-1] == ("execute", False)
    (tmp_path / "stop").touch()
    assert "stopped by the file" in drill(tmp_path).steps[-1].words


def test_a_migration_and_a_cool_down_do_not_keep_anybody_from_practising(tmp_path: Path) -> None:
    assert drill(tmp_path, migration=["8"], never=["8"]).outcome == "passed"


def test_drills_are_kept_with_their_steps(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    done = drill(tmp_path)
    with store.write() as connection:
        rollback_drills.put(connection, done)
        rollback_drills.put(connection, done)
    with store.read() as connection:
        assert rollback_drills.of_model(connection, "acme", "fraud") == [done]
        assert rollback_drills.of_stream(connection, STREAM) == []
    store.close()


# Figures.


def figures(known: RollbackHistory, **settings: Any) -> dict[tuple[str, str], float | None]:
    own = RollbackSettings.model_validate({"mode": "dry-run"} | settings)
    measured = of_stream(STREAM, own, known, NOW)
    return {(one.metric, one.label("version")): one.value for one in measured}


def rolled(state: RollbackState, ago: float = 60.0, kind: str = "rollback") -> Rollback:
    return Rollback(
        STREAM, "8", "HighErrorRate", "on", "a", kind, state, "webhook", "7", "why", "", NOW - ago
    )


LIVE = (Version(STREAM, "8", NOW - 900, NOW),)


def known(*rollbacks: Rollback, **fields: Any) -> RollbackHistory:
    return RollbackHistory(
        **({"rollbacks": rollbacks, "versions": LIVE, "rollout": None, "drills": ()} | fields)
    )


@pytest.mark.parametrize(
    ("rollback", "expected"),
    [
        (rolled(RollbackState.DECIDED), (0, 0, 0)),
        (rolled(RollbackState.CONFIRMED), (1, 0, 0)),
        (rolled(RollbackState.VERIFIED), (1, 0, 0)),
        (rolled(RollbackState.VERIFIED, HOUR), (0, 0, 0)),
        (rolled(RollbackState.FAILED), (0, 0, 1)),
        (rolled(RollbackState.VERIFIED, kind="freeze"), (0, 1, 0)),
        (rolled(RollbackState.FAILED, kind="freeze"), (0, 0, 1)),
        (rolled(RollbackState.FAILED, DAY), (None, None, None)),
        (rolled(RollbackState.WITHHELD), (None, None, None)),
    ],
)
def test_what_became_of_a_rollback_is_a_figure(
    rollback: Rollback, expected: tuple[float | None, ...]
) -> None:
    found = figures(known(rollback))
    names = ("rolled_back", "rollout_frozen", "rollback_failed")
    assert tuple(found.get((name, "8")) for name in names) == expected


def test_a_version_that_is_gone_needs_nobody(tmp_path: Path) -> None:
    gone = known(rolled(RollbackState.FAILED), versions=(Version(STREAM, "8", NOW - 900, NOW - 300),))
    assert figures(gone)["rollback_failed", "8"] == 0


def test_a_failed_verdict_is_a_figure_for_an_hour() -> None:
    def told(state: RolloutState, ago: float) -> float | None:
        rollout = Rollout(STREAM, 1, "8", "7", (Stage(100, 3600),), NOW - DAY, "ann")
        step = RolloutStep(2, NOW - ago, state, 0, 0.0, "why")
        return figures(known(rollout=(rollout, step)))["rollout_failed", "8"]

    assert told(RolloutState.FAILED, 60) == 1
    assert told(RolloutState.FAILED, HOUR) == 0
    assert told(RolloutState.RUNNING, 60) == 0


def practised(ago: float, outcome: str = "passed") -> Drill:
    return Drill(STREAM, NOW - ago, NOW - ago + 1, outcome, "Ann", "dry run", ())


def test_drills_age_and_fail() -> None:
    def drills(*found: Drill) -> tuple[float | None, float | None]:
        measured = figures(known(drills=found))
        return measured["rollback_drill_age", ""], measured["rollback_drill_due", ""]

    assert drills() == (None, 1)
    assert drills(practised(45 * DAY)) == (0.5, 0)
    assert drills(practised(91 * DAY)) == (pytest.approx(91 / 90), 1)
    assert drills(practised(DAY, "failed"), practised(9 * DAY)) == (0.1, 1)
    assert drills(practised(60, "running"), practised(9 * DAY)) == (0.1, 0)
    assert figures(known(), mode="off") == {}


def test_figures_are_read_from_the_store(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        metrics = RollbackMetrics(line.store, {STREAM: line.settings, Stream("a", "b"): RollbackSettings()})
        line.bad_canary()
        line.live(120)
        found = {one.metric: one for one in metrics.measure(line.clock.now())[STREAM]}
        assert found["rolled_back"].value == 1
        assert found["rolled_back"].because.startswith("35.")
        line.platform.traffic.clear()
        assert metrics.measure(line.clock.now() + EVERY / 2)[STREAM][0] is found["rolled_back"]
        assert set(metrics.measure(line.clock.now() + EVERY)) == {STREAM}


# By hand.


def test_an_order_by_hand_is_carried_out_whatever_the_rules_say(tmp_path: Path) -> None:
    with timeline(tmp_path, cool_down="24h", mode="off") as line:
        line.live(300)
        line.traffic["8"] = (120, line.traffic["7"][1])
        line.live(120)
        asked = (STREAM, RollbackRequest(), line.settings, ANN, tmp_path / "stop", 60, line.clock.now())
        with line.store.write() as connection:
            made = manual.order_now(connection, *asked)
            with pytest.raises(InputError, match="under way"):
                manual.order_now(connection, *asked)
            entries = audit.latest(connection)
        line.live(180)
        done = line.row()
        assert (done.id, done.state, done.author) == (made.id, RollbackState.VERIFIED, "Ann")
        assert (done.reason, done.other) == ("wrong prices", "7")
        assert [entry.target for entry in entries] == ["rollback of version 8 acme/fraud/production"]


def test_what_cannot_be_rolled_back_is_refused_in_words(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:

        def order(requested: RollbackRequest, settings: RollbackSettings = line.settings) -> None:
            with line.store.write() as connection:
                manual.order_now(
                    connection, STREAM, requested, settings, ANN, tmp_path / "stop", 60, line.clock.now()
                )

        with pytest.raises(NotFoundError, match="no versions"):
            order(RollbackRequest())
        line.live(120)
        with pytest.raises(InputError, match="no other version"):
            order(RollbackRequest())
        line.traffic["8"] = (120, line.traffic["7"][1])
        line.live(120)
        with pytest.raises(InputError, match="never answered"):
            order(RollbackRequest(version="9"))
        with pytest.raises(InputError, match="not the newest"):
            order(RollbackRequest(version="7"))
        with pytest.raises(InputError, match="no other version"):
            order(RollbackRequest(other="8"))
        with pytest.raises(InputError, match="no executor"):
            order(RollbackRequest(), RollbackSettings())
        with line.store.write() as connection:
            manual.stop(connection, None, ANN, line.clock.now())
        with pytest.raises(InputError, match="all rollbacks are stopped by Ann"):
            order(RollbackRequest())
        with line.store.write() as connection:
            assert manual.resume(connection, STREAM, ANN, line.clock.now()) == 0
            assert manual.resume(connection, None, ANN, line.clock.now()) == 1
        order(RollbackRequest())


# The plan.


def context(settings: RollbackSettings, version: str = "8") -> PlanContext:
    versions = (Version(STREAM, "7", 0, NOW), Version(STREAM, version, 1, NOW))
    drills = (
        Drill(STREAM, NOW - 60, NOW - 58, "passed", "Ann", "dry run", (DrillStep("fault", 1.0, True, "x"),)),
    )
    return PlanContext(
        STREAM, settings, versions, drills, ["HighErrorRate"], ["lead@acme.example"], "https://w/c/acme/",
        "rollback.stop", NOW,
    )  # fmt: skip


COMMANDS = {
    "argo": "kubectl argo rollouts abort fraud -n ml",
    "kubernetes": "kubectl rollout undo deployment/fraud -n ml --to-revision=REVISION",
    "sagemaker": "VariantName=blue,DesiredWeight=1 VariantName=green,DesiredWeight=0",
    "azureml": "az ml online-endpoint update --name f -g g -w w --traffic 'blue=100 green=0'",
    "vertex": "gcloud ai endpoints update e --project=p --region=l --traffic-split=blue=100",
    "github": "gh workflow run w.yml -R a/b --ref main -f version=8 -f other=7",
    "gitlab": "-F 'variables[ROLLBACK_VERSION]=8'",
    "webhook": "set `procedure` of the executor",
    "command": "roll-back 8",
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_plan_has_the_commands_of_its_executor(kind: str, tmp_path: Path) -> None:
    adapter: TypeAdapter[ExecutorSettings] = TypeAdapter(AnyExecutor)
    made = {**every("http://127.0.0.1:9", tmp_path), "command": adapter.validate_python(COMMAND)}
    text = plan(
        context(RollbackSettings(mode="on", executor=made[kind], contacts={"lead": "Bo"}, data="Restore it."))
    )
    assert COMMANDS[kind] in text
    assert "from version 8 to version 7" in text
    for words in (
        "The delivery lead (Bo)",
        "lead@acme.example",
        "https://w/c/acme/",
        "Restore it.",
        "passed in 2.0 s",
    ):
        assert words in text
    assert "secret" not in text.lower() or kind == "sagemaker"


@pytest.mark.parametrize("version", [name for name in HOSTILE if name not in ("", "\ud800")])
def test_a_plan_of_a_hostile_version_is_harmless_in_a_terminal(version: str) -> None:
    for executor in (COMMAND, {"kind": "github", "repository": "a/b", "workflow": "w.yml", "token": "t"}):
        text = plan(context(RollbackSettings.model_validate({"executor": executor}), version))
        assert all(line.isprintable() for line in text.split("\n"))
        commands = [line for line in text.splitlines() if line.lstrip().startswith("$ ")]
        assert commands
        assert all("{version}" in line for line in commands[:1])


def test_a_plan_without_an_executor_says_what_is_missing() -> None:
    text = plan(context(RollbackSettings(migration=("8",))))
    assert "No executor is configured" in text
    assert "Restore the data first." in text
    assert "Not documented" in text
    assert (
        "The mode is `off`. Once it is `on`, the daemon rolls back automatically when:\n\n- HighErrorRate fires"
        in text
    )
    assert "The mode is" not in plan(
        context(RollbackSettings.model_validate({"mode": "on", "executor": COMMAND}))
    )
