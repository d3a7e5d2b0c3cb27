"""The state of every stream for the terminal (`watchkeeper status`): alerts, figures and missing data.

Start with `overview.py`.
"""

from monitor.status.configured import NOTHING_CONFIGURED, Configured
from monitor.status.output import StatusAnswer, answer, as_text, worst
from monitor.status.overview import StreamStatus, overview
from monitor.status.stream_notes import notes, unknown_model

__all__ = [
    "NOTHING_CONFIGURED",
    "Configured",
    "StatusAnswer",
    "StreamStatus",
    "answer",
    "as_text",
    "notes",
    "overview",
    "unknown_model",
    "worst",
]
