"""The commands of a page can be pasted: a shell splits them into exactly the names that are meant."""

import shlex
from dataclasses import replace

import typer
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts.settings import AlertSettings, located
from monitor.alerts.text.commands import commands
from monitor.cli.registry import app
from monitor.metrics import METRICS
from monitor.records import DAEMON, Alert, Severity, State, Stream
from monitor.rules import load
from monitor.shipped import shipped
from tests.support.judging import STREAM

NAMES = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" '\"$`\\;&|*!~"), min_size=1)


def alert(rule: str, metric: str = "", stream: Stream = STREAM) -> Alert:
    return Alert("f" * 16, rule, Severity.WARNING, stream, state=State.FIRING, metric=metric)


@given(client=NAMES, model=NAMES, file=NAMES)
def test_whatever_the_names_a_shell_reads_them_as_they_are(client: str, model: str, file: str) -> None:
    settings = located(AlertSettings(), file)
    for metric in ("error_rate", "drift_evidence", "silence_seconds"):
        told = [shlex.split(one) for one in commands(alert("Bad", metric, Stream(client, model)), settings)]
        assert told[0] == ["watchkeeper", "explain", f"{client}/{model}/production/Bad", "--config", file]
        assert ["watchkeeper", "status", "--client", client, "--config", file] in told


def test_every_command_of_every_shipped_rule_exists_with_its_options() -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    packs = [shipped("rules") / f"{name}.yaml" for name in ("critical", "warning", "info", "daemon")]
    rules = load(packs, METRICS)
    streams = [Stream("acme", "fraud"), DAEMON]
    for stream in streams:
        for rule in rules.for_stream(stream):
            for metric in rule.condition.metrics():
                for told in commands(alert(rule.name, metric, stream), AlertSettings()):
                    _, *words = shlex.split(told)
                    command = known[words.pop(0)]
                    if hasattr(command, "commands"):
                        command = command.commands[words.pop(0)]
                    options = {name for one in command.params for name in one.opts}
                    assert {word for word in words if word.startswith("--")} <= options, told


def test_without_a_known_file_no_configuration_is_named() -> None:
    assert all("--config" not in one for one in commands(replace(alert("Bad")), AlertSettings()))
