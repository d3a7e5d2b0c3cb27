"""`rollout`: started, shown, watched and stopped from the command line, with exit codes for scripts."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from monitor.cli.registry import app
from monitor.clock import iso
from monitor.errors import InputError, NotFoundError
from monitor.records import Stream
from monitor.rollouts import running
from monitor.rollouts.load_arms import ArmSettings
from monitor.rollouts.next_step import first_step
from monitor.store import rollouts
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep, Stage, StoredCheck
from tests.support.rollouts import Behaviour, put_minute

STREAM = Stream("acme", "fraud")


class Place:
    """A folder with a configuration, and a store that version 7 has answered in."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(f"sqlite:///{folder}/a.db")
        migrate(self.store)
        self.config = folder / "watchkeeper.yaml"
        self.config.write_text(f'store: {{url: "sqlite:///{folder}/a.db"}}\n')
        self.minutes(60, {"7": (900, Behaviour(0.01))}, 40)

    def minutes(self, ago: int, versions: dict[str, tuple[int, Behaviour]], count: int) -> None:
        rng = np.random.default_rng(1)
        first = int(time.time()) // 60 * 60 - 60 * ago
        for number in range(count):
            put_minute(self.store, STREAM, first + 60 * number, versions, rng)

    def call(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["rollout", *words, "-c", str(self.config)])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.store.close()


def test_a_rollout_from_the_command_line(place: Place) -> None:
    assert place.call("status", "acme/fraud").exit_code == 4
    begun = place.call("start", "acme/fraud", "--canary", "8\u202e", "--by", "ada")
    assert begun.exit_code == 0, begun.output
    assert "5 % for 10m, 10 % for 10m, 25 % for 10m, 50 % for 30m, 100 % for 30m" in begun.output
    shown = place.call("status", "acme/fraud", "--json")
    told = json.loads(shown.stdout)
    assert (told["canary"], told["stable"], told["state"], told["share"]) == ("8\u202e", "7", "running", 5)
    assert told["plan"] == "5:10m,10:10m,25:10m,50:30m,100:30m"
    assert place.call("status", "acme/fraud").exit_code == 0
    watched = place.call("watch", "acme/fraud", "--for", "1ms")
    assert watched.exit_code == 4
    assert "does the switch poll its share?" in watched.stdout
    assert "\u202e" not in watched.stdout
    assert "running" in place.call("status").stdout
    assert isinstance(place.call("start", "acme/fraud", "--canary", "9").exception, InputError)
    assert place.call("stop", "acme/fraud", "--by", "ada").exit_code == 0
    assert place.call("watch", "acme/fraud").exit_code == 1
    assert place.call("status", "acme/fraud").exit_code == 1
    assert isinstance(place.call("stop", "acme/fraud").exception, NotFoundError)


def test_a_failed_and_a_promoted_rollout_are_told_by_the_exit_code(place: Place) -> None:
    begin = time.time() // 60 * 60 - 60 * 21
    with place.store.write() as connection:
        plan = (Stage(50, 600), Stage(100, 1200))
        running.start(connection, STREAM, "8", "", plan, who="ada", address="here", now=begin)
    arms = {"7": (500, Behaviour(0.01)), "8": (500, Behaviour(0.2))}
    place.minutes(21, arms, 21)
    running.advance(place.store, ArmSettings(60), time.time(), lambda *_: "")
    watched = place.call("watch", "acme/fraud")
    assert watched.exit_code == 1
    assert "failed: version 8 is worse" in watched.stdout


def test_past_rollouts_are_listed_with_the_verdict_time_share_and_reason_of_each_step(place: Place) -> None:
    assert json.loads(place.call("history", "acme/fraud", "--json").stdout) == []
    assert "no rollout of acme/fraud" in place.call("history", "acme/fraud").output
    begun = time.time() - 3600
    for number, name in enumerate(("8", "9\u202e\n")):
        with place.store.write() as connection:
            plan = (Stage(50, 600), Stage(100, 1200))
            at = begun + 900 * number
            one = Rollout(STREAM, number + 1, name, "7", plan, at, ("ada", "eve")[number])
            rollouts.start(connection, one, first_step(one))
            check = StoredCheck("failures", "fail", "20% of 90 fail", 4071.0, 0.2, 0.01, "share", 0.3)
            rollouts.add(
                connection, one, RolloutStep(2, at + 600, RolloutState.RUNNING, 1, 100.0, "after a pass")
            )
            back = RolloutStep(3, at + 650, RolloutState.RUNNING, 1, 100.0, "the clock was set back by 9s")
            rollouts.add(connection, one, back)
            last = (RolloutState.FAILED, RolloutState.PROMOTED)[number]
            end = RolloutStep(4, at + 700, last, 1, 100.0 * number, "why\x07", (check,))
            rollouts.add(connection, one, end)
    told = json.loads(place.call("history", "acme/fraud", "--json").stdout)
    assert [(one["number"], one["canary"], one["started_by"]) for one in told] == [
        (2, "9\u202e\n", "eve"),
        (1, "8", "ada"),
    ]
    assert [step["verdict"] for step in told[0]["steps"]] == ["", "pass", "", "pass"]
    assert [step["verdict"] for step in told[1]["steps"]] == ["", "pass", "", "fail"]
    assert [step["share"] for step in told[1]["steps"]] == [50, 100, 100, 0]
    assert told[1]["steps"][3]["checks"][0]["reason"] == "20% of 90 fail"
    assert told[1]["steps"][3]["at"] == iso(begun + 700)
    [only] = json.loads(place.call("history", "acme/fraud", "--json", "--most", "1").stdout)
    assert only["number"] == 2
    newest, oldest = place.call("history", "acme/fraud").stdout.splitlines()
    assert newest.startswith(f"2 {iso(begun + 900)} 9")
    assert "beside 7, by eve: promoted after 11m40s, 100 % at most: why" in newest
    assert "8 beside 7, by ada: failed after 11m40s, 100 % at most: why" in oldest
    assert newest.isprintable()


@pytest.mark.parametrize(("failing", "code"), [(0.01, 0), (0.2, 1)])
def test_a_version_that_somebody_else_rolls_out_is_watched_by_its_verdict(
    place: Place, failing: float, code: int
) -> None:
    place.minutes(33, {"7": (900, Behaviour(0.01)), "8": (100, Behaviour(failing))}, 33)
    watched = place.call("watch", "acme/fraud", "--canary", "8", "--for", "1ms")
    assert watched.exit_code == code, watched.output
    assert "acme/fraud/production 8 beside 7" in watched.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("start", "acme/fraud", "--canary", "8", "--minutes", "45"),
        ("start", "acme/fraud", "--canary", "8", "--steps", "5:1h,100:1h", "--blue-green"),
        ("start", "acme/fraud", "--canary", "8", "--steps", "5"),
        ("start", "acme/fraud", "--canary", ""),
        ("watch", "acme/fraud", "--canary", "8", "--every", "0s"),
        ("watch", "acme"),
    ],
)
def test_wrong_words_are_told(place: Place, words: tuple[str, ...]) -> None:
    assert isinstance(place.call(*words).exception, InputError)


def test_a_version_that_needs_an_approval_is_not_rolled_out_without_it(place: Place) -> None:
    needs = "clients: {acme: {models: {fraud: {releases: {approval: team}}}}}\n"
    place.config.write_text(place.config.read_text() + needs)
    refused = place.call("start", "acme/fraud", "--canary", "8")
    assert isinstance(refused.exception, InputError)
    assert "version 8 needs the approval of the team" in str(refused.exception)
    words = ["release", "approve", "acme/fraud", "8", "--note", "seen", "-c", str(place.config)]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert place.call("start", "acme/fraud", "--canary", "8").exit_code == 0
