"""Rules judged over made measurements, step by step: what a test of rules and alerts is made of."""

from pathlib import Path

from monitor.metrics import METRICS
from monitor.records import Alert, Labels, Measurement, State, Stream, Transition, Window, labels
from monitor.rules import load
from monitor.rules.engine.evaluate import Evaluation, evaluate
from monitor.rules.engine.readings import OPEN, Past, Readings, no_past
from monitor.rules.rule import RuleSet

STREAM = Stream("acme", "fraud")
START = 1_800_000_000.0


def rule_set(folder: Path, text: str) -> RuleSet:
    """The rules of a file with this text."""
    path = folder / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return load([path], METRICS)


def one_rule(folder: Path, when: str, **fields: str) -> RuleSet:
    """A set with one critical rule, `Bad`."""
    lines = [f"    {name}: {value}" for name, value in fields.items()]
    rule = "\n".join(["  - alert: Bad", f"    when: {when}", *lines])
    return rule_set(
        folder,
        f"groups:\n- name: g\n  labels: {{severity: critical}}\n  rules:\n{rule}\n"
        '    annotations: {summary: "{client}/{model}: {value}", impact: Something is wrong.}\n',
    )


class Judge:
    """Feeds readings to the rules and keeps what came of them, as the daemon would."""

    def __init__(self, rules: RuleSet, stream: Stream = STREAM, past: Past = no_past) -> None:
        self.rules, self.stream, self.past = rules, stream, past
        self.alerts: dict[str, Alert] = {}
        self.transitions: list[Transition] = []
        self.now = START

    def look(self, *measurements: Measurement, after: float = 1.0, seconds: int = OPEN) -> Evaluation:
        """Move the clock by `after` seconds and judge once."""
        self.now += after
        readings = Readings({(self.stream, seconds): measurements}, self.past)
        evaluation = evaluate(self.rules, readings, self.alerts, self.now)
        self.alerts |= {alert.fingerprint: alert for alert in evaluation.alerts}
        self.transitions += evaluation.transitions
        return evaluation

    def measured(self, metric: str, value: float | None, n: float = 1000, **fields: str) -> Measurement:
        """A measurement of the open window."""
        return measured(metric, value, n, stream=self.stream, instance=labels(**fields))

    @property
    def state(self) -> State:
        """The state of the only alert; inactive where there is none."""
        assert len(self.alerts) <= 1
        return next((alert.state for alert in self.alerts.values()), State.INACTIVE)


def measured(
    metric: str,
    value: float | None,
    n: float = 1000,
    *,
    stream: Stream = STREAM,
    instance: Labels = (),
    baseline: float | None = None,
    start: int = 0,
    seconds: int = 60,
) -> Measurement:
    """A measurement; None is one that was not made."""
    window = Window(start, start + seconds)
    unit = "seconds" if metric.startswith("latency") else "share"
    reason = "" if value is not None else "nothing came in"
    return Measurement(
        stream, window, metric, value, unit, n=n, labels=instance, baseline=baseline, reason=reason
    )
