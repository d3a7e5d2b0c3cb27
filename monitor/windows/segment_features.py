"""Which features of a stream are counted by segment: those that its answers depend on most, once that was learned."""

from collections.abc import Iterable
from contextlib import suppress

from sqlalchemy import Connection

from monitor.errors import UnreadableError
from monitor.records import Stream
from monitor.store import feature_importance
from monitor.windows.baseline import load
from monitor.windows.kernel.segment_cells import NONE, SegmentFeatures
from monitor.windows.layout.layout import Layout
from monitor.windows.settings import WindowSettings


def read_ahead(connection: Connection, some: Iterable[Stream], settings: WindowSettings) -> None:
    """Read what `by_segment` needs of each of these streams. A layout that cannot be read is its stream's own fault."""
    layouts: dict[Stream, str] = {}
    for stream in some if settings.segment_features else ():
        with suppress(UnreadableError):
            baseline = load(connection, stream)
            if baseline is not None:
                layouts[stream] = baseline.layout.id
    feature_importance.read_ahead(connection, layouts)


def by_segment(
    connection: Connection, stream: Stream, layout: Layout, settings: WindowSettings
) -> SegmentFeatures:
    """The features to count by segment now. Their choice changes when another importance was learned; counts that were
    made before stay valid for their features.
    """
    if not settings.segment_features or not layout.features:
        return NONE
    learned = feature_importance.get(connection, stream, layout.id)
    names = tuple(learned.shares)[: settings.segment_features] if learned is not None else ()
    return SegmentFeatures(settings.segment_features, settings.segment_cells, names)
