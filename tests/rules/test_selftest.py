"""Stories about rule files: what they may say, and what is told where one is wrong."""

from pathlib import Path

import pytest

from monitor.errors import ConfigError
from monitor.metrics import METRICS
from monitor.rules.exports import selftest
from tests.cli.test_commands import run

RULES = """\
groups:
- name: g
  labels: {severity: critical}
  rules:
  - alert: Bad
    when: {metric: error_rate, over: open, above: 5%}
    annotations: {summary: "{client}: {value}", impact: It is bad.}
"""
STORY = """\
rules: mine.yaml
tests:
- name: a fault is told
  series:
  - {metric: error_rate, over: open, values: 0.01x3 0.4x2 _ 0.01}
  expect:
  - {alert: Bad, from: 4s, to: 7s}
"""


@pytest.fixture
def story(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text(RULES, encoding="utf-8")
    path = tmp_path / "mine_test.yaml"
    path.write_text(STORY, encoding="utf-8")
    return path


def test_a_story_that_comes_true_has_no_problems(story: Path) -> None:
    assert [result.problems for result in selftest.run(story, METRICS)] == [()]


def test_zeros_alone_are_no_number_with_the_base_sixteen(story: Path) -> None:
    quiet = STORY.replace("0.01x3 0.4x2 _ 0.01", "0x18").partition("  expect:")[0] + "  expect: []\n"
    story.write_text(quiet, encoding="utf-8")
    assert [result.problems for result in selftest.run(story, METRICS)] == [()]


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("0.4x2", "0.4y2", "5:38", "'0.4y2' is not a value"),
        ("0.4x2", "0.4x0", "5:38", "'0.4x0' is not a value"),
        ("0.4x2", "0.4x99999999", "5:38", "is not a value"),
        ("values: 0.01x3 0.4x2 _ 0.01", "values: ''", "5:38", "has no value"),
        ("metric: error_rate", "metric: eror_rate", "5:6", "did you mean 'error_rate'"),
        ("alert: Bad", "alert: Bed", "7:6", "did you mean 'Bad'"),
        ("from: 4s", "from: 4", "7:18", "is not a duration"),
        ("series:", "stream: acme\n  series:", "4:3", "'acme' is not a stream"),
        ("mine.yaml", "other.yaml", "1:1", "cannot be read"),
    ],
)
def test_each_mistake_is_told_with_its_place(story: Path, old: str, new: str, place: str, words: str) -> None:
    story.write_text(STORY.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        selftest.run(story, METRICS)
    assert f":{place}: error: " in str(caught.value)
    assert words in str(caught.value)


def test_the_command_says_what_came_true_and_exits_with_1_when_something_did_not(story: Path) -> None:
    done = run("rules", "test", str(story))
    assert (done.returncode, done.stdout) == (0, "✔ mine_test.yaml: a fault is told\n")
    story.write_text(STORY.replace("to: 7s", "to: 6s"), encoding="utf-8")
    done = run("rules", "test", str(story))
    assert done.returncode == 1
    assert "happened and was not expected: Bad from 4s to 7s" in done.stdout
    story.write_text(STORY.replace("0.4x2", "much"), encoding="utf-8")
    done = run("rules", "test", str(story))
    assert done.returncode == 3
    assert f"{story}:5:38: error: tests[0].series[0].values: 'much' is not a value" in done.stderr


def test_the_shipped_stories_run_without_a_file() -> None:
    done = run("rules", "test")
    assert done.returncode == 0, done.stdout
    told, _, of = done.stderr.split()[:3]
    assert told == of
    assert int(told) > 20
