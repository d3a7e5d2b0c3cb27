"""The table of metrics in `docs/dashboards.md`, generated from the metrics of `/metrics`."""

from monitor.exporters.metric_names import EXPORTED
from monitor.exporters.samples import Metric

SUFFIX = {"counter": "_total", "info": "_info"}


def table() -> str:
    """A Markdown table of all metrics."""
    head = "| metric | kind | labels | meaning |\n|---|---|---|---|\n"
    return head + "\n".join(_row(exported) for exported in EXPORTED)


def _row(exported: Metric) -> str:
    name = exported.name + SUFFIX.get(exported.kind, "")
    labels = ", ".join(exported.labels)
    return f"| `{name}` | {exported.kind} | {labels} | {exported.help} |"
