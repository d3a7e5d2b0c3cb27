"""The state of every stream for the terminal (`watchkeeper status`): alerts, figures and missing data.

Start with `overview.py`.
"""

from monitor.status.configured import Configured
from monitor.status.output import as_json, as_text
from monitor.status.overview import StreamStatus, overview, worst
from monitor.status.stream_notes import notes, unknown_model

__all__ = [
    "Configured",
    "StreamStatus",
    "as_json",
    "as_text",
    "notes",
    "overview",
    "unknown_model",
    "worst",
]
