"""The limits and kinds of what may be sent are those that the documentation names."""

from pathlib import Path

import pytest

from monitor.predictions.settings import PredictionSettings
from monitor.web.connections import MAX_HEAD_BYTES, MOST_HEADERS
from monitor.web.settings import WebSettings

TEXT = " ".join(Path("docs/ingest.md").read_text(encoding="utf-8").split())


WEB, RECORDS = WebSettings(), PredictionSettings()


@pytest.mark.parametrize(
    "said",
    [
        f"Request head: {MAX_HEAD_BYTES // 1024} kB and {MOST_HEADERS} headers",
        f"within `web.head_within` ({WEB.head_within:.0f} s)",
        f"within `web.body_within` ({WEB.body_within:.0f} s)",
        f"`web.max_connections` ({WEB.max_connections:,})",
        f"`predictions.body_limit` ({RECORDS.body_limit / 1e6:.0f} MB)",
        f"`predictions.max_records` ({RECORDS.max_records:,} records)",
        f"{RECORDS.max_client_streams:,} streams of one client (`predictions.max_client_streams`)",
        f"`predictions.retention` ({RECORDS.retention / 86_400:.0f} days)",
    ],
)
def test_a_limit_is_documented_as_it_is(said: str) -> None:
    assert said in TEXT
