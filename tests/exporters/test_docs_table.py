"""The documentation names what exists, and all of it."""

from pathlib import Path

from monitor.exporters.prometheus.docs_table import table

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_the_table_of_metrics_is_the_one_of_the_code() -> None:
    assert table() in (DOCS / "dashboards.md").read_text(encoding="utf-8")


def test_each_rule_for_prometheus_has_its_heading() -> None:
    text = (DOCS / "dashboards.md").read_text(encoding="utf-8")
    for name in (
        "ModelCritical",
        "Down",
        "CycleStalled",
        "NotificationsFailing",
        "ConfigReloadFailed",
        "Watchdog",
    ):
        section = text.split(f"### {name}\n")[1].split("###")[0]
        assert all(f"**{word}**" in section for word in ("Meaning", "Impact", "Diagnosis", "Mitigation"))
