"""A gate's result as JUnit XML, for CI services that show tests: one test case per metric, target and rule."""

import re
from xml.sax.saxutils import escape, quoteattr

from monitor.gating.records import MetricResult, StoredResult
from monitor.gating.reports import tables
from monitor.rollouts.verdict import Outcome
from monitor.visible import one_line

_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 does not allow, even as a reference."""


def junit(result: StoredResult) -> str:
    """The result as one test suite. An inconclusive metric is an error, since it was not decided; a failed one is a
    failure.
    """
    name = result.name
    cases = [_metric(name, one) for one in result.metrics]
    cases += [
        _case(
            f"{name}.target",
            one.metric,
            "failure" if one.blocks else "error" if one.is_open else "",
            one.reason,
        )
        for one in result.targets
    ]
    cases += [
        _case(
            f"{name}.rule", f"{one.rule} {one.instance}".strip(), "failure" if one.blocks else "", one.reason
        )
        for one in result.rules
    ]
    if not cases:
        cases = [_case(name, "gate", "" if result.passed else "error", result.reason)]
    counts = {
        "tests": len(cases),
        "failures": sum("<failure" in one for one in cases),
        "errors": sum("<error" in one for one in cases),
    }
    totals = " ".join(f'{key}="{count}"' for key, count in counts.items())
    properties = {
        "verdict": result.outcome.value,
        "candidate": result.candidate,
        "baseline": result.baseline,
        "items": str(result.items),
        "seed": str(result.seed),
    }
    title = _attribute(f"watchkeeper gate {name}")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites name={title} {totals} time="0">\n'
        f'<testsuite name={title} {totals} time="0">\n{_properties(properties)}'
        f"{''.join(cases)}<system-out>{_text(tables.headline(result))}</system-out>\n</testsuite>\n</testsuites>\n"
    )


def _metric(name: str, one: MetricResult) -> str:
    kind = {Outcome.FAIL: "failure", Outcome.INCONCLUSIVE: "error", Outcome.PASS: ""}[one.outcome]
    header = (*tables.METRIC_HEADER[2:9],)
    values = dict(zip(header, tables.metric_row(one)[2:9], strict=True))
    if one.needed is not None:
        values["items needed"] = str(one.needed)
    figures = f"{values['candidate']}, baseline {values['baseline']}, difference {values['difference']}"
    words = f"{one.reason} ({figures} {values['interval']})" if one.is_measured else one.reason
    return _case(name, one.metric, kind, words, {key: value for key, value in values.items() if value})


def _case(classname: str, name: str, kind: str, reason: str, values: dict[str, str] | None = None) -> str:
    """One test case; its figures are written to `system-out`, since the schema has no properties for a case."""
    head = f'<testcase classname={_attribute(classname)} name={_attribute(name)} time="0">'
    verdict = f"<{kind} message={_attribute(reason)} type={_attribute(kind)}/>" if kind else ""
    lines = [f"{key}: {value}" for key, value in (values or {}).items()] or [reason]
    return f"{head}{verdict}<system-out>{_text(chr(10).join(lines))}</system-out></testcase>\n"


def _properties(values: dict[str, str]) -> str:
    inner = "".join(
        f"<property name={_attribute(name)} value={_attribute(value)}/>" for name, value in values.items()
    )
    return f"<properties>{inner}</properties>\n"


def _attribute(text: str) -> str:
    return quoteattr(_storable(one_line(text)))


def _text(text: str) -> str:
    return escape(_storable(text))


def _storable(text: str) -> str:
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
