"""The docs name what exists, and what exists is in the docs."""

import re
from pathlib import Path

import pytest

from monitor.config.root import Config
from monitor.config.rule_files import rules_of
from monitor.exporters.metric_names import BY_NAME
from monitor.metrics import METRICS
from monitor.relay import metrics_text
from tests.cli.test_commands import commands

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
RULES = rules_of(Config()).rules


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_command_is_listed_and_every_listed_command_exists() -> None:
    listed = set(re.findall(r"^\| `watchkeeper ([a-z -]+)` \|", text_of("operations.md"), re.M))
    assert listed == {" ".join(words) for words, _ in commands()}


def test_commands_in_the_docs_exist() -> None:
    known = {" ".join(words) for words, _ in commands()} | {words[0] for words, _ in commands()}
    for page in PAGES:
        for found in re.findall(r"watchkeeper ((?:[a-z-]+)(?: [a-z]+)?)", page.read_text(encoding="utf-8")):
            first, _, second = found.partition(" ")
            is_command = (
                f"`watchkeeper {found}" in page.read_text() or f"$ watchkeeper {found}" in page.read_text()
            )
            if is_command:
                assert found in known or first in known, f"{page.name} names `watchkeeper {found}`"
                del second


def test_every_fault_names_tests_that_exist() -> None:
    rows = re.findall(r"^\| (\d+) \| .* \| (`tests/.*`) \|$", text_of("faults.md"), re.M)
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= 31
    for _, named in rows:
        for file, test in re.findall(r"`([\w/]+\.py)::(\w+)`", named):
            assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), test


def test_every_section_of_the_configuration_is_described() -> None:
    listed = set(re.findall(r"^\| `([a-z]+)` \|", text_of("configuration.md"), re.M))
    assert listed == set(Config.model_fields)


def test_every_metric_is_described() -> None:
    text = text_of("metrics.md")
    assert [metric.name for metric in METRICS if f"`{metric.name}`" not in text] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_shipped_rule_has_a_runbook_with_its_four_parts(rule: object) -> None:
    text = text_of(f"runbooks/{rule.name}.md")  # type: ignore[attr-defined]
    headings = re.findall(r"^## (\w+)", text, re.M)
    assert headings == ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def test_every_shipped_rule_is_in_the_rules_page() -> None:
    text = text_of("rules.md")
    assert [rule.name for rule in RULES if rule.name not in text] == []


def test_exported_metrics_that_the_docs_name_exist() -> None:
    known = {*BY_NAME, *metrics_text.METRICS}
    for page in PAGES:
        for name in re.findall(r"\bwatchkeeper_(?!client\b)[a-z_]+", page.read_text(encoding="utf-8")):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            candidates = {name, base, name.removesuffix("_total"), name.removesuffix("_info")}
            assert candidates & known, f"{page.name} names {name}"


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_project_speaks_of_itself_alone() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"/(work|root)/|\.\./shared|\bissue #?\d", text), page.name


def test_every_path_that_the_docs_name_exists() -> None:
    for page in PAGES:
        for path in set(
            re.findall(r"`((?:monitor|tests|rules|docs|requirements)/[\w/.-]*\w/?)`", page.read_text())
        ):
            assert (ROOT / path).exists() or path.startswith("monitor/_shipped"), f"{page.name} names {path}"


def test_the_tree_of_contributing_shows_what_exists_and_every_package() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown: set[str] = set()
    described: set[str] = set()
    above: list[str] = []
    for line in text[text.index("```\nmonitor/") : text.index("## Where it happens")].splitlines()[1:]:
        drawn = re.match(r"( *)([\w./, -]+?)(?:  |$)", line)
        if drawn is None:
            continue
        depth = len(drawn[1]) // 2
        for name in drawn[2].split(", "):
            above = [*above[:depth], name.strip("/")]
            path = "/".join(above)
            assert (ROOT / path).exists(), f"CONTRIBUTING.md shows {path}"
            shown.add(path)
            if line[drawn.end() :].strip() or line.endswith("monitor/"):
                described.add(path)
    packages = {p.parent.relative_to(ROOT).as_posix() for p in (ROOT / "monitor").rglob("__init__.py")}
    packages = {package for package in packages if not package.startswith("monitor/store/migrations/")}
    assert packages <= shown, f"the tree lacks {sorted(packages - shown)}"
    assert described == shown


JOURNEYS = [line for line in CONTRIBUTING.splitlines() if "→" in line and line.startswith("| ")]


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda line: line.split(" | ")[1].replace(" ", "_"))
def test_each_file_of_a_journey_is_imported_by_one_before_it_unless_it_is_given(journey: str) -> None:
    parts = re.findall(r"(→|⇢|\|) `([a-z_/]+\.py)`", journey)
    assert 8 < len(parts) < 15, "a newcomer can read so many"
    texts: list[str] = []
    for arrow, path in parts:
        package, _, name = path[:-3].removesuffix("/__init__").replace("/", ".").rpartition(".")
        imports = re.compile(
            rf"from {package}\.{name} import|from {package} import (?:\([^)]*|[^(\n]*)\b{name}\b"
        )
        assert arrow != "→" or any(imports.search(text) for text in texts), f"who imports {path}?"
        texts.append((ROOT / path).read_text(encoding="utf-8"))


def test_there_are_five_journeys() -> None:
    assert len(JOURNEYS) == 5
