"""What a daemon logs from its start to its end, as text and as JSON: read back line by line."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.daemon import Daemon
from tests.support.logfmt import fields_of
from tests.support.receiver import Receiver
from tests.support.waiting import until

GOOD = """\
extend:
  HighErrorRate:
    when:
      any: [{metric: error_rate, over: open, above: 5%, confidence: 99.99%, samples: 10}]
"""
BAD = 'extend: {"No\\nlevel=error \\e[2J": {keep_firing_for: 1s}}\n'
SECRET, KEY = "hook-secret-9c1f", "signing-secret-77"
CONFIG = """\
log: {{format: {format}}}
evaluate: {{every: 500ms}}
rules: {{files: ["{folder}/mine.yaml"]}}
notify:
  console: false
  webhook: {{url: "{url}/{secret}", secret: "{key}"}}
"""
READERS: dict[str, Callable[[str], dict[str, str]]] = {"text": fields_of, "json": json.loads}


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_daemon_logs_start_reloads_deliveries_and_stop(tmp_path: Path, form: str) -> None:
    rules = tmp_path / "mine.yaml"
    rules.write_text(GOOD, encoding="utf-8")
    with Receiver() as receiver:
        receiver.statuses.extend([500])
        config = CONFIG.format(format=form, folder=tmp_path, url=receiver.url, secret=SECRET, key=KEY)
        daemon = Daemon(tmp_path, config)

        def lines() -> list[dict[str, str]]:
            ours = (line for line in daemon.said().splitlines() if form == "json" or line.startswith("time="))
            return [READERS[form](line) for line in ours]

        def logged(message: str) -> list[dict[str, str]]:
            return [line for line in lines() if line["msg"] == message]

        with daemon:
            assert daemon.process is not None
            rules.write_text(BAD, encoding="utf-8")
            daemon.process.send_signal(signal.SIGHUP)
            until(lambda: logged("invalid rule file"), "the failed reload is logged")
            rules.write_text(GOOD, encoding="utf-8")
            daemon.process.send_signal(signal.SIGHUP)
            until(lambda: logged("rules reloaded"), "the reload is logged")

            until(
                lambda: [line for line in logged("delivery") if line["outcome"] == "sent"], "it is delivered"
            )
        started, stopped = logged("started"), logged("stopped")
        assert (len(started), len(stopped)) == (1, 1)
        assert started[0]["version"] == stopped[0]["version"]
        assert started[0]["store"].endswith("watchkeeper.db")
        assert (started[0]["listen"], started[0]["channels"]) == (daemon.url, "webhook")
        (failure,) = logged("invalid rule file")
        assert "mine.yaml:1:" in failure["problem"]
        assert "level=error" in failure["problem"]
        assert "\x1b" not in daemon.said()
        assert failure["level"] == "error"
        attempts = {str(line["attempt"]): line for line in logged("delivery") if line["outcome"] == "retry"}
        assert (attempts["1"]["channel"], attempts["1"]["failure"]) == ("webhook", "unreachable")
        sent = [line for line in logged("delivery") if line["outcome"] == "sent"]
        assert all(0 <= float(line["duration"]) < 10 for line in sent)
        assert {line["stream"] for line in sent} == {"watchkeeper/daemon/production"}
        assert SECRET not in daemon.said()
        assert KEY not in daemon.said()
        assert all(line["time"].endswith("Z") and line["logger"] for line in lines())


def test_lines_below_the_level_are_not_logged(tmp_path: Path) -> None:
    with Daemon(tmp_path, "log: {level: error}\nnotify: {console: false}") as daemon:
        pass
    assert "msg=" not in daemon.said()
