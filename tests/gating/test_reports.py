"""Every report tells the verdict, whatever names and reasons hold: nothing is read as markup or as a command."""

import re
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from monitor.gating import GateResult, Outcome
from monitor.gating.records import MetricResult, RuleResult, SegmentResult, TargetResult
from monitor.gating.reports.github import MOST, annotations
from monitor.gating.reports.junit import junit
from monitor.gating.reports.markdown import MOST_BYTES, markdown
from monitor.gating.reports.page import fragment, page
from monitor.gating.reports.text import text
from monitor.visible import JOINERS
from tests.support.daemon import ROOT
from tests.support.thorough import examples

HOSTILE = (
    "]]></system-out><x a=\"'&\r\n::error::owned%0A::set-output name=x::y\u2028\u202e\x00\x1b[31m"
    "|<script>alert(1)</script>`$(id)`**b** [l](http://x) ![i](http://y) @octocat #12 \ud800 https://evil.example"
)
NAMES = st.one_of(st.text(max_size=40), st.sampled_from([HOSTILE, "x" * 10_000, "", "\r\n::error::x"]))


def metric(name: str, outcome: Outcome, reason: str = "because") -> MetricResult:
    return MetricResult(
        name, "share", "higher", 1200, outcome, reason, 0.9, 0.87, -0.03, -0.05, -0.01, 0.02, None, 0.0004, 0.002,
        930, "exact McNemar",
    )  # fmt: skip


def segment(value: str, *, is_proven: bool = True) -> SegmentResult:
    return SegmentResult(
        "country", value, "accuracy", "share", 80, 0.9, 0.8, -0.1, -0.2, -0.01, 0.01, is_proven
    )


def result(hostile: str = "fraud", metrics: int = 1, segments: int = 2) -> GateResult:
    return GateResult(
        Outcome.FAIL,
        f"accuracy is worse {hostile}",
        f"acme/{hostile}",
        hostile,
        "old.parquet",
        1200,
        None,
        tuple(metric(f"metric_{n}", list(Outcome)[n % 3], hostile) for n in range(metrics)),
        (TargetResult("accuracy", "share", 0.9, True, "missed", hostile, 0.87, 0.85, 0.89),),
        (RuleResult("HighErrorRate", "critical", hostile, hostile),),
        tuple(segment(f"{hostile}{n}") for n in range(segments)),
        3,
        (hostile,),
    )


def is_printable(line: str) -> bool:
    return line.translate(dict.fromkeys(map(ord, JOINERS))).isprintable()


def checked_junit(found: GateResult) -> ET.Element:
    """The suite of a report, held against the schema that CI services share (JUnit 10 of Jenkins)."""
    root = ET.fromstring(junit(found))
    assert root.tag == "testsuites"
    (suite,) = root
    assert [child.tag for child in suite] == ["properties", *["testcase"] * (len(suite) - 2), "system-out"]
    cases = suite.findall("testcase")
    for element in (root, suite):
        assert element.attrib.keys() == {"name", "tests", "failures", "errors", "time"}
        assert int(element.attrib["tests"]) == len(cases)
        for key, tag in (("failures", "failure"), ("errors", "error")):
            assert int(element.attrib[key]) == len(suite.findall(f"testcase/{tag}"))
    for case in cases:
        assert case.attrib.keys() == {"classname", "name", "time"}
        assert [child.tag for child in case] in (
            ["system-out"],
            ["failure", "system-out"],
            ["error", "system-out"],
        )
        for problem in (*case.findall("failure"), *case.findall("error")):
            assert problem.attrib.keys() == {"message", "type"}
    assert {one.attrib.keys() == {"name", "value"} for one in suite.findall("properties/property")} == {True}
    return suite


@settings(max_examples=examples(40), deadline=None)
@given(NAMES)
def test_any_name_is_only_text_everywhere(hostile: str) -> None:
    found = result(hostile)
    suite = checked_junit(found)
    assert len(suite.findall("testcase")) == 3
    lines = annotations(found)
    assert len(lines) <= MOST
    for line in lines:
        assert re.fullmatch(r"::(error|warning|notice) title=[^:,\r\n]*::[^\r\n]*", line), line
        assert is_printable(line)
    rendered = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(markdown(found))
    assert set(re.findall(r"<(\w+)", rendered)) <= {
        "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "sub",
    }  # fmt: skip
    assert not re.search(r"(?<!\w)@\w|#\d", re.sub(r"&#?\w+;", "", rendered))
    rows = [line for line in rendered.split("\n") if line == "<tr>"]
    assert len(rows) == 1 + 1 + 1 + 2  # a header and a row of metrics, a header and two segments
    for shown in (fragment(found), page(found)):
        assert "<script" not in shown
        assert shown.count("<tr>") == 5
    assert all(is_printable(line) for line in text(found).split("\n"))


def test_reports_say_what_is_in_the_result() -> None:
    found = result(metrics=3)
    suite = checked_junit(found)
    cases = {case.attrib["name"]: [child.tag for child in case] for case in suite.findall("testcase")}
    assert cases == {
        "metric_0": ["system-out"],
        "metric_1": ["failure", "system-out"],
        "metric_2": ["error", "system-out"],
        "accuracy": ["failure", "system-out"],
        "HighErrorRate fraud": ["failure", "system-out"],
    }
    failure = suite.find("testcase[@name='metric_1']/failure")
    assert failure is not None
    assert failure.attrib["message"] == "fraud (0.87, baseline 0.9, difference -0.03 [-0.05, -0.01])"
    properties = {one.attrib["name"]: one.attrib["value"] for one in suite.findall("properties/property")}
    assert properties == {
        "verdict": "fail", "candidate": "fraud", "baseline": "old.parquet", "items": "1200", "seed": "0",
    }  # fmt: skip
    for shown in (text(found), markdown(found).replace("\\", ""), page(found)):
        for part in (
            "accuracy is worse fraud",
            "metric_2",
            "HighErrorRate (critical)",
            "country=fraud1",
            "1,200 items",
        ):
            assert part in shown


def test_a_schema_validator_accepts_every_report(tmp_path: Path) -> None:
    """The schema is written for this test; xmllint shares no code with what writes or reads the reports."""
    passed = replace(result(), outcome=Outcome.PASS, metrics=(), targets=(), rules=())
    made = [result(), result(HOSTILE, metrics=3), result("x" * 10_000), passed]
    files = [tmp_path / f"{number}.xml" for number in range(len(made))]
    for path, one in zip(files, made, strict=True):
        path.write_text(junit(one), "utf-8")
    broken = tmp_path / "broken.xml"
    broken.write_text(junit(result()).replace(' classname="', ' class="'), "utf-8")
    command = ["xmllint", "--noout", "--nonet", "--schema", str(ROOT / "tests" / "data" / "junit.xsd")]
    checked = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, timeout=300)
    assert checked.returncode == 0, checked.stderr
    assert subprocess.run([*command, str(broken)], capture_output=True, timeout=300).returncode != 0


def test_ten_annotations_at_most_and_the_last_counts_the_others() -> None:
    lines = annotations(result(metrics=30))
    assert len(lines) == MOST
    assert lines[0].startswith("::error title=acme/fraud%3A metric_1::")
    assert lines[-1].endswith("::15 more findings are in the summary")
    passed = replace(
        result(), outcome=Outcome.PASS, metrics=(metric("accuracy", Outcome.PASS),), targets=(), rules=()
    )
    assert annotations(replace(passed, segments=())) == [
        "::notice title=acme/fraud%3A gate::accuracy is worse fraud"
    ]
    assert annotations(passed)[0].startswith(
        "::warning title=acme/fraud%3A segment country=fraud0::accuracy -0.1 ["
    )


def test_markdown_fits_what_github_accepts() -> None:
    found = result("ü" * 9_000, metrics=400, segments=500)
    assert len(markdown(found).encode()) <= MOST_BYTES
    assert markdown(found).endswith("see the JSON output.\n")


def test_an_empty_comparison_is_one_case() -> None:
    found = GateResult(Outcome.INCONCLUSIVE, "there is nothing", "a/b", "x", "y", 5, None, ())
    (case,) = checked_junit(found).findall("testcase")
    assert case.attrib["name"] == "gate"
    assert case.find("error") is not None


@pytest.mark.parametrize("shown", [text, markdown, page, junit])
def test_groups_and_needed_items_are_told(shown: object) -> None:
    found = replace(
        result(), outcome=Outcome.INCONCLUSIVE, groups=77, metrics=(metric("f1", Outcome.INCONCLUSIVE),)
    )
    written = shown(found)  # type: ignore[operator]
    assert "930" in written
    assert "77 groups" in written or shown is junit
