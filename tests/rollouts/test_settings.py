"""The tolerances of a model's canaries: what they change in a verdict, and what is no tolerance."""

from pathlib import Path

import numpy as np
import pytest

from monitor.config.root import load
from monitor.config.verdict_reading import reading_of
from monitor.errors import ConfigError
from monitor.records import Stream
from monitor.rollouts.arms import Arms
from monitor.rollouts.settings import USUAL, CanaryTolerances
from monitor.rollouts.verdict import Outcome, Verdict, canary_verdict
from tests.support.rollouts import EDGES, arm

MINUTES = 40
CONFIG = "clients: {{acme: {{models: {{fraud: {{canary: {{{canary}}}}}}}}}}}\n"


def usual_but(**changed: float) -> CanaryTolerances:
    return USUAL.model_copy(update=changed)


def compared(tolerated: CanaryTolerances, **canary: float) -> Verdict:
    """Forty minutes of 1,000 answers each."""
    sides = []
    for share in (canary, {}):
        n = np.full(MINUTES, 1000.0)
        sides.append(
            arm(
                n,
                n * share.get("failing", 0.02),
                wrong=n * share.get("wrong", 0.1),
                judged=n,
            )
        )
    return canary_verdict("8", "7", Arms(60, sides[0], sides[1], EDGES, tolerated=tolerated), 5.0)


@pytest.mark.parametrize(
    ("canary", "wider"),
    [
        ({"failing": 0.045}, {"failures": 4.0}),
        ({"failing": 0.2}, {"failures": 10.0, "failure_limit": 0.3}),
        ({"wrong": 0.2}, {"quality": 0.15}),
    ],
)
def test_a_wider_tolerance_lets_pass_what_the_usual_one_stops(
    canary: dict[str, float], wider: dict[str, float]
) -> None:
    assert compared(USUAL, **canary).outcome is Outcome.FAIL
    assert compared(usual_but(**wider), **canary).outcome is Outcome.PASS


def test_a_narrower_tolerance_stops_what_the_usual_one_lets_pass() -> None:
    assert compared(USUAL, failing=0.028).outcome is Outcome.PASS
    assert compared(usual_but(failures=1.0), failing=0.028).outcome is Outcome.FAIL


def test_the_limit_is_told_as_configured() -> None:
    reasons = {one.name: one.reason for one in compared(usual_but(failure_limit=0.125)).signals}
    assert reasons["failure_limit"].endswith("; 12.5% is the limit")


def test_tolerances_are_those_of_the_model_in_every_environment(tmp_path: Path) -> None:
    path = tmp_path / "watchkeeper.yaml"
    path.write_text(CONFIG.format(canary="latency: 2, failure_limit: 3%, quality: 0.5%, outputs: 0.2"))
    reading = reading_of(load(path))
    for environment in ("production", "staging"):
        mine = reading.tolerances(Stream("acme", "fraud", environment))
        assert mine == usual_but(latency=2.0, failure_limit=0.03, quality=0.005, outputs=0.2)
    assert reading.tolerances(Stream("acme", "churn")) == USUAL


@pytest.mark.parametrize(
    ("canary", "said"),
    [
        ("latency: 0.9", "greater than or equal to 1"),
        ("latency: 150%", "is not a number of times"),
        ("failures: true", "true is not a number"),
        ("failure_limit: 0", "greater than 0"),
        ("failure_limit: 60%", "less than or equal to 0.5"),
        ("quality: x%", "is not a share (use 5%)"),
        ("quality: .nan", "finite number"),
        ("speed: 2", "unknown key"),
    ],
)
def test_what_is_no_tolerance_is_named_with_its_line(tmp_path: Path, canary: str, said: str) -> None:
    path = tmp_path / "watchkeeper.yaml"
    path.write_text(CONFIG.format(canary=canary))
    with pytest.raises(ConfigError) as raised:
        load(path)
    [problem] = raised.value.problems
    assert said in str(problem)
    assert "watchkeeper.yaml:1" in str(problem)
