"""The example in each command's help runs, beside files and models of the names that the examples use."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from monitor.cli.registry import app
from monitor.errors import NotFoundError, WatchkeeperError
from tests.cli.test_commands import commands
from tests.gating.items import classified
from tests.support.audited import state
from tests.support.ports import free_port

BEGIN, DAYS = pd.Timestamp("2026-10-01T00:00:00Z"), 42
NOT_HERE = {
    "run": "stays in the foreground",
    "demo": "needs minutes",
    "loadtest": "needs a minute",
    "profile": "its example reads a bucket",
    "report": "needs Evidently",
    **dict.fromkeys(
        ("site init", "site bundle", "site push", "site import"), "see tests/sites/test_commands.py"
    ),
    **dict.fromkeys(("relay run", "relay status", "relay retry"), "see tests/relay/test_kill.py"),
    "relay erase": "see tests/relay/test_outage.py",
    "store encrypt": "the store of the examples has no key",
    "store rekey": "the store of the examples has no key",
    "store decrypt": "the store of the examples has no key",
}
NOBODY = {
    "silence expire",
    "incident note",
    "incident withdraw",
    "rollback show",
    "rollback now",
    "key revoke",
    "canary remove",
    "prompts remove",
    "export predictions",
    "sources test",
}
"""Their examples name ids, days and sources that this store does not have."""
FOUND_SOMETHING = {
    "doctor": "the address may be in use",
    "audit report": "the store of the examples has no key",
    "compare": "the example fails on drift",
    "notify test": "the service cannot be reached from here",
    "gauges list": "no daemon has read a gauge",
    "verdict": "no daemon has counted the versions",
    "rollout watch": "it is not over within a second",
    "baseline accept": "no daemon has learned a reference",
}
EXAMPLES = {
    " ".join(words): re.sub(
        r"\s*> .*$",
        "",
        re.search(r"Example: watchkeeper (.*?)\s*(?:\n\n|\Z)", command.help, re.S)[1],  # type: ignore[attr-defined,index]
    )
    for words, command in commands()
}
CONFIG = """\
store: {{url: "sqlite:///watch.db"}}
web: {{listen: "127.0.0.1:{port}"}}
rules: {{files: [rules/mine.yaml]}}
gauges: {{machine: {{kind: machine}}}}
exporters: {{datadog: {{kind: statsd, url: "udp://127.0.0.1:{port}"}}}}
clients: {{acme: {{models: {{fraud: {{}}}}}}}}
notify:
  pagerduty: {{routing_key: "{key}", events_url: "https://127.0.0.1:9"}}
"""
RULES = """\
groups:
  - name: mine
    rules:
      - alert: Slow
        labels: {severity: warning}
        when: {metric: latency_p95, over: 1h, above: 2s}
"""

RULES_TEST = """\
rules: mine.yaml
tests:
  - name: quiet
    every: 15s
    series:
      - {metric: latency_p95, over: 1h, n: 75, values: 0.1x10}
    expect: []
"""


def rows(count: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    times = BEGIN + pd.to_timedelta(np.sort(rng.uniform(0, DAYS * 86_400, count)), unit="s")
    return pd.DataFrame(
        {
            "timestamp": times,
            "scored_at": times,
            "amount": rng.normal(shift, 1, count),
            "country": rng.choice(["DE", "FR"], count),
            "prediction": rng.choice(["ok", "fraud"], count),
            "version": rng.choice(["7", "8"], count),
        }
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    for name in ("history", "rules", "config", "models/fraud"):
        (folder / name).mkdir(parents=True)
    for name in ("watchkeeper.yaml", "config/full.yaml"):
        text = CONFIG.format(port=free_port(), key="R" * 32)
        (folder / name).write_text(
            text.replace("[rules", "[../rules").replace("///", "///../") if "/" in name else text
        )
    (folder / "rules/mine.yaml").write_text(RULES)
    (folder / "rules/mine_test.yaml").write_text(RULES_TEST)
    (folder / "sample.json").write_text('{"id": 7, "input": {"amount": 12.5}, "label": "ok"}')
    (folder / "fraud-expectations.yaml").write_text("columns: {amount: [{check: present}]}")
    (folder / "constraints.json").write_text('{"features": [{"name": "amount", "completeness": 1.0}]}')
    (folder / "prompt.txt").write_text(
        "You are the assistant of Acme and never tell the price of another bank."
    )
    (folder / "models/fraud/model.pkl").write_bytes(b"weights")
    rows(4000).to_parquet(folder / "training.parquet")
    rows(4000, 1.0).to_parquet(folder / "yesterday.parquet")
    rows(30_000).to_parquet(folder / "last-quarter.parquet")
    rows(500).to_parquet(folder / "history" / "one.parquet")
    candidate, baseline, truth = classified(3000)
    candidate.to_parquet(folder / "new.parquet")
    baseline.to_parquet(folder / "old.parquet")
    truth.to_csv(folder / "truth.csv", index=False)
    config = str(folder / "watchkeeper.yaml")
    loaded = CliRunner().invoke(
        app, ["load", "acme/fraud", str(folder / "history/one.parquet"), "-c", config]
    )
    assert loaded.exit_code == 0, loaded.output
    return folder


def called(example: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(place)
    words = [
        str(found) if "*" in word and "=" not in word else word
        for word in shlex.split(example)
        for found in (sorted(place.glob(word)) if "*" in word and "=" not in word else [word])
    ]
    return CliRunner().invoke(app, words, input="\n" * 9)


ORDER = ("load", "baseline set", *(name for name in EXAMPLES if name not in ("load", "baseline set")))


@pytest.mark.parametrize("name", [name for name in ORDER if name not in NOT_HERE])
def test_the_example_of_a_command_runs(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = EXAMPLES[name].replace("init watchkeeper.yaml", "init new.yaml")
    before = state(place / "watch.db")
    done = called(example, place, monkeypatch)
    after = state(place / "watch.db")
    assert after[0] == before[0] or after[1] > before[1], "a change without an entry in the audit log"
    told = f"{example}\n{done.output}\n{done.exception!r}"
    if name in NOBODY:
        assert isinstance(done.exception, NotFoundError), told
    elif name in FOUND_SOMETHING:
        assert isinstance(done.exception, SystemExit | WatchkeeperError | None), told
        assert done.exit_code in (0, 1, 4), told
    else:
        assert done.exit_code == 0, told


def test_every_example_that_is_left_out_is_one() -> None:
    assert NOT_HERE.keys() | NOBODY | FOUND_SOMETHING.keys() <= EXAMPLES.keys()
