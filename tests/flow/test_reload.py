"""A running daemon is asked to read its rules anew, and they have mistakes."""

import json
import signal
import subprocess
from pathlib import Path

from tests.support.daemon import Daemon
from tests.support.fork_server import watchkeeper
from tests.support.traffic import failed, send
from tests.support.waiting import until

GOOD = """\
extend:
  HighErrorRate:
    when:
      any: [{metric: error_rate, over: open, above: 5%, confidence: 99.99%, samples: 10}]
    keep_firing_for: 2s
  ConfigReloadFailed: {keep_firing_for: 0s}
"""
BAD = (
    GOOD
    + """\
groups:
- name: g
  labels: {severity: info}
  rules:
  - alert: New
    when: {metric: eror_rate, over: 5m, above: 1%}
    annotations: {summary: s, impact: i}
"""
)
CONFIG = """\
evaluate: {{every: 500ms}}
rules: {{files: ["{folder}/mine.yaml"]}}
notify: {{console: false, file: {{path: "{folder}/told.jsonl"}}}}
"""


def ask(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    return watchkeeper(*words, "-c", str(daemon.config))


def test_the_old_rules_stay_in_force_somebody_is_told_and_it_is_over_when_mended(tmp_path: Path) -> None:
    rules, told = tmp_path / "mine.yaml", tmp_path / "told.jsonl"
    rules.write_text(GOOD, encoding="utf-8")

    def said() -> list[tuple[str, str]]:
        lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
        return [(line["alert"], line["action"]) for line in map(json.loads, lines)]

    with Daemon(tmp_path, CONFIG.format(folder=tmp_path)) as daemon:
        rules.write_text(BAD, encoding="utf-8")
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: ("ConfigReloadFailed", "trigger") in said(), "somebody is told")

        mistake = (
            "error: groups[0].rules[0].when.metric: there is no metric eror_rate (did you mean 'error_rate'?)"
        )
        checked = ask(daemon, "check-config")
        assert checked.returncode == 3
        assert f"mine.yaml:12:12: {mistake}" in checked.stderr
        status = ask(daemon, "status", "--fail-on", "warning")
        assert status.returncode == 1
        assert "watchkeeper/daemon/production" in status.stdout
        assert "ConfigReloadFailed: Reload failed" in status.stdout
        assert f"mine.yaml:12:12: {mistake}" in status.stdout

        def still_judged_by_the_old_rules() -> bool:
            send(daemon, [failed() for _ in range(20)])
            return ("HighErrorRate", "trigger") in said()

        until(still_judged_by_the_old_rules, "the old rules are in force")

        rules.write_text(GOOD, encoding="utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: ("ConfigReloadFailed", "resolve") in said(), "it is over")
        assert "ConfigReloadFailed" not in ask(daemon, "status").stdout
