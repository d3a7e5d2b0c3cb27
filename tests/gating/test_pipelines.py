"""The command in CI: exit codes, files, and the shell steps of the documented pipelines, run as they stand."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from monitor.cli.registry import app
from monitor.config.root import load
from monitor.errors import ConfigError, InputError
from monitor.gating import Outcome
from monitor.gating.result import from_dict
from tests.gating.items import classified
from tests.support.daemon import ROOT

EXAMPLES = ROOT / "docs" / "examples"
CONFIG = """\
store: {url: "sqlite:///watch.db"}
clients:
  acme:
    models:
      fraud: {quality: accuracy, target: 0.99, task: binary}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files as a pipeline has them; `worse.parquet` is a candidate that fails."""
    place = tmp_path_factory.mktemp("pipeline")
    candidate, baseline, truth = classified(4000)
    worse, _, _ = classified(4000, lost=0.08, won=0.0)
    for name, frame in (("candidate", candidate), ("baseline", baseline), ("worse", worse)):
        frame.assign(country=["de", "fr"] * 2000).to_parquet(place / f"{name}.parquet")
    truth.to_csv(place / "truth.csv", index=False)
    (place / "watchkeeper.yaml").write_text(CONFIG)
    return place


def called(folder: Path, *words: str, candidate: str = "candidate") -> Result:
    files = {"--candidate": f"{candidate}.parquet", "--baseline": "baseline.parquet", "--truth": "truth.csv"}
    named = [text for option, name in files.items() for text in (option, str(folder / name))]
    return CliRunner().invoke(app, ["gate", *named, *words])


def test_exit_codes_are_those_of_the_verdicts(folder: Path) -> None:
    assert called(folder, "--metric", "accuracy").exit_code == 0
    failed = called(folder, "--metric", "accuracy", candidate="worse")
    assert (failed.exit_code, failed.stdout[:6]) == (1, "fail: ")
    open_ = called(folder, "--metric", "accuracy", "--margin", "accuracy=0.01%")
    assert (open_.exit_code, open_.stdout[:14]) == (4, "inconclusive: ")


def test_margins_and_alpha_of_the_configuration_hold_where_no_option_says_otherwise(folder: Path) -> None:
    strict = CONFIG.replace("task: binary}", "task: binary, releases: {gate: {margins: {accuracy: 0.01%}}}}")
    lax = strict.replace("0.01%}", "50%}, alpha: 0.2").replace("target: 0.99", "target: 0.5")
    for name, text in (("strict", strict), ("lax", lax)):
        (folder / f"{name}.yaml").write_text(text)
    words = ("--metric", "accuracy", "--model", "acme/fraud", "--json", "--config")
    found = {
        name: from_dict(json.loads(called(folder, *words, str(folder / f"{name}.yaml"), *more).stdout))
        for name, more in (("strict", ()), ("lax", ("--margin", "accuracy=0.02%", "--alpha", "0.1")))
    }
    assert [one.metrics[0].margin for one in found.values()] == pytest.approx([0.0001, 0.0002])
    assert [one.alpha for one in found.values()] == [0.05, 0.1]
    unsaid = from_dict(json.loads(called(folder, *words, str(folder / "lax.yaml")).stdout))
    assert (unsaid.metrics[0].margin, unsaid.alpha, unsaid.outcome) == (0.5, 0.2, Outcome.PASS)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("gate: {margins: {accurcy: 1%}}", "a gate does not compare 'accurcy'"),
        ("gate: {margins: {accuracy: 1 %%}}", "the margin '1 %%' of accuracy is not a number"),
        ("gate: {margins: {accuracy: -1}}", "the margin '-1' of accuracy is not a number of at least 0"),
        ("gate: {margins: {accuracy: yes}}", "is not a number"),
        ("gate: {margins: [accuracy]}", "is not a mapping of metrics to margins"),
        ("gate: {alpha: 0.5}", "less than 0.5"),
    ],
)
def test_what_is_no_margin_is_named_with_its_line(folder: Path, written: str, said: str) -> None:
    path = folder / "wrong.yaml"
    path.write_text(CONFIG.replace("task: binary}", f"task: binary, releases: {{{written}}}}}"))
    with pytest.raises(ConfigError) as raised:
        load(path)
    [problem] = raised.value.problems
    assert said in str(problem)
    assert "wrong.yaml:5" in str(problem)


def test_json_is_the_result(folder: Path) -> None:
    done = called(folder, "--metric", "accuracy", "--json", "--github", candidate="worse")
    stored = from_dict(json.loads(done.stdout))
    assert stored.outcome == "fail"
    assert done.stderr.startswith("::error title=worse.parquet%3A accuracy::proven worse")


def test_a_model_brings_its_targets_and_rules(folder: Path) -> None:
    config = str(folder / "watchkeeper.yaml")
    done = called(folder, "--metric", "latency_p50", "--model", "acme/fraud", "-c", config, "--json")
    found = from_dict(json.loads(done.stdout))
    assert [one.metric for one in found.targets] == ["accuracy"]
    assert found.name == "acme/fraud"
    unknown = called(folder, "--model", "acme/loans", "-c", config)
    assert isinstance(unknown.exception, InputError)
    assert unknown.exception.hint == "it has acme/fraud"


@pytest.mark.parametrize(
    "words",
    [
        ("--margin", "accuracy"),
        ("--column", "=x"),
        ("--metric", "none"),
        ("--alpha", "2"),
        ("--segment", "city"),
    ],
)
def test_wrong_options_are_explained(folder: Path, words: tuple[str, str]) -> None:
    error = called(folder, *words).exception
    assert isinstance(error, InputError)
    assert error.message


def test_bad_rules_and_unwritable_reports_are_errors(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("groups: [")
    assert isinstance(called(folder, "--rules", str(tmp_path / "rules.yaml")).exception, ConfigError)
    refused = called(folder, "--metric", "accuracy", "--junit", str(tmp_path / "no" / "gate.xml")).exception
    assert isinstance(refused, InputError)
    assert str(refused) == f"{tmp_path}/no/gate.xml cannot be written: No such file or directory"


def step_of(name: str) -> str:
    """The shell command of a pipeline that calls the gate."""
    document = YAML(typ="safe").load((EXAMPLES / name).read_text())
    if "jobs" in document:
        steps = document["jobs"]["gate"]["steps"]
        commands = [step["run"] for step in steps if "watchkeeper gate" in step.get("run", "")]
    else:
        commands = [line for line in document["gate"]["script"] if "watchkeeper gate" in line]
    (command,) = commands
    return str(command)


@pytest.mark.parametrize("name", ["github-gate.yaml", "gitlab-gate.yaml"])
def test_the_documented_pipelines_run(name: str, folder: Path, tmp_path: Path) -> None:
    """As the runner runs a step: `bash -e` in the folder of the checkout."""
    (tmp_path / "watchkeeper").write_text(f'#!/bin/sh\nexec {sys.executable} -m monitor "$@"\n')
    (tmp_path / "watchkeeper").chmod(0o755)
    summary = tmp_path / "summary.md"
    summary.write_text("an earlier step\n")
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    done = subprocess.run(
        ["bash", "-e", "-c", step_of(name)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    suite = ET.parse(folder / "gate.xml").getroot()[0]
    assert int(suite.attrib["tests"]) >= 5
    if name.startswith("github"):
        assert summary.read_text().startswith("an earlier step\n## ✅ ")
        assert "\n::notice title=" in done.stdout
    else:
        assert (folder / "gate.md").read_text().startswith("## ✅ ")
