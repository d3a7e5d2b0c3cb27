"""A load test as text, JSON and JUnit XML."""

import math
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from monitor.config.units import format_number
from monitor.loadtest.limits import milliseconds
from monitor.loadtest.run import LoadTest
from monitor.loadtest.stage import Judged, ObjectiveState, StageResult
from monitor.loadtest.verdict import missed_words, trusted, value_words
from monitor.rollouts.verdict import Outcome
from monitor.visible import one_line

COLUMNS = ("rate", "calls", "p50", "p95", "p99", "failed", "lag", "server", "own", "result")
"""`server` and `own` are cores: of the daemon, and of the generator."""


def row(stage: StageResult, cores: int) -> tuple[str, ...]:
    """The line of a stage in the table, in the order of `COLUMNS`."""
    failed = sum(stage.failures.values())
    lag, busy = stage.around.lag, stage.around.server_cores
    state = trusted(stage, cores)
    shown = "unknown" if state is not stage.state else state.value
    return (
        f"{format_number(stage.rate, 4)}/s",
        f"{stage.calls:,}",
        *(_latency(stage.latency[percent]) for percent in (50.0, 95.0, 99.0)),
        f"{format_number(100 * failed / stage.calls)}%" if stage.calls else "",
        "" if lag is None else milliseconds(lag),
        "" if busy is None else f"{busy:.2f}",
        f"{stage.own_cores:.2f}",
        shown,
    )


def line(stage: StageResult, cores: int) -> str:
    """A stage in one line, while the test runs."""
    words = dict(zip(COLUMNS, row(stage, cores), strict=True))
    why = "; ".join(missed_words(one) for one in stage.missed) or stage.stopped
    if not why and stage.backlog_grows:
        why = "calls arrive faster than they complete"
    return f"{words['rate']}: {words['result']}" + (f" ({one_line(why)})" if why else f", p95 {words['p95']}")


def failures(test: LoadTest) -> dict[str, int]:
    """The failures of all stages, most frequent first."""
    by_text: dict[str, int] = {}
    for stage in test.stages:
        for text, number in stage.failures.items():
            by_text[one_line(text)] = by_text.get(one_line(text), 0) + number
    return dict(sorted(by_text.items(), key=lambda pair: -pair[1]))


def to_dict(test: LoadTest) -> dict[str, Any]:
    """The load test as JSON. Rates in calls a second, times in seconds; null: not measured, or never."""
    verdict, plan = test.verdict, test.plan
    return {
        "model": plan.name,
        "verdict": verdict.outcome.value,
        "sentence": verdict.sentence,
        "wanted": plan.wanted,
        "holds": verdict.holds,
        "misses": verdict.misses,
        "headroom": verdict.holds / plan.wanted if verdict.holds is not None else None,
        "first_limit": verdict.limit or None,
        "interrupted": test.interrupted,
        "cores": test.cores,
        "objectives": [objective.text for objective in plan.objectives],
        "notes": [one_line(note) for note in test.notes],
        "stages": [_stage(stage, test.cores) for stage in test.stages],
    }


def _stage(stage: StageResult, cores: int) -> dict[str, Any]:
    return {
        "rate": stage.rate,
        "state": stage.state.value,
        "trusted": trusted(stage, cores) is stage.state,
        "seconds": stage.seconds,
        "due": stage.due,
        "calls": stage.calls,
        "answered": stage.answered,
        "latency": {f"{percent:g}": _finite(value) for percent, value in stage.latency.items()},
        "on_the_wire": {f"{percent:g}": _finite(value) for percent, value in stage.on_the_wire.items()},
        "failures": {one_line(text): number for text, number in stage.failures.items()},
        "objectives": [
            {
                "objective": one.objective.text,
                "value": _finite(one.value),
                "state": one.state.value,
                "reason": one.reason or (missed_words(one) if one.state is ObjectiveState.MISSED else ""),
            }
            for one in stage.judged
        ],
        "backlog_grows": stage.backlog_grows,
        "connections": stage.connections,
        "generator": {"delay": _finite(stage.own_delay), "cores": stage.own_cores},
        "server": {"cores": stage.around.server_cores, "lag": stage.around.lag},
        "stopped": stage.stopped,
    }


def junit(test: LoadTest) -> str:
    """The agreed rate as a test suite: a case for each objective, and one for the verdict."""
    agreed = next((stage for stage in test.stages if stage.rate == test.plan.wanted), None)
    cases = [_case(test, one.objective.text, *_judgement(one)) for one in (agreed.judged if agreed else ())]
    kind = {Outcome.PASS: "", Outcome.FAIL: "failure", Outcome.INCONCLUSIVE: "error"}[test.verdict.outcome]
    cases.append(
        _case(test, f"{format_number(test.plan.wanted, 4)}{test.plan.unit}", kind, test.verdict.sentence)
    )
    bad = {kind: sum(f"<{kind} " in case for case in cases) for kind in ("failure", "error")}
    counts = f'tests="{len(cases)}" failures="{bad["failure"]}" errors="{bad["error"]}"'
    name = quoteattr(one_line(f"watchkeeper loadtest {test.plan.name}"))
    inner = "".join(cases)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites name={name} {counts} time="0">\n<testsuite name={name} {counts} time="0">\n{inner}'
        f"<system-out>{escape(one_line(test.verdict.sentence))}</system-out>\n</testsuite>\n</testsuites>\n"
    )


def _judgement(one: Judged) -> tuple[str, str]:
    kind = {ObjectiveState.HELD: "", ObjectiveState.MISSED: "failure", ObjectiveState.UNKNOWN: "error"}[
        one.state
    ]
    return kind, one.reason or f"{value_words(one)}, agreed {one.objective.text}"


def _case(test: LoadTest, name: str, kind: str, words: str) -> str:
    message = one_line(words)
    inner = f"<{kind} message={quoteattr(message)} type={quoteattr(kind)}/>" if kind else ""
    head = f'<testcase classname={quoteattr(one_line(test.plan.name))} name={quoteattr(name)} time="0">'
    return f"{head}{inner}<system-out>{escape(message)}</system-out></testcase>\n"


def _latency(value: float) -> str:
    return "failed" if math.isinf(value) else "" if math.isnan(value) else milliseconds(value)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
