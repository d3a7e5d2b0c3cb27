"""What `/metrics` says of resources, queues and model servers: every figure of the gauges."""

from collections.abc import Mapping, Sequence

from monitor.exporters.samples import SampleSet
from monitor.metrics.system import resources
from monitor.records import Measurement, Stream
from monitor.rules.engine.readings import OPEN

_NAMES = frozenset(info.name for info in resources.INFO)


def write(
    samples: SampleSet, measured: Mapping[tuple[Stream, int], Sequence[Measurement]], client: str
) -> None:
    """The figures of all streams, or of one client's; also of models that have sent no record."""
    for (stream, seconds), figures in measured.items():
        if seconds == OPEN and client in ("", stream.client):
            for figure in figures:
                if figure.metric in _NAMES and figure.value is not None:
                    where = [figure.label(name) for name in ("gauge", "resource")]
                    values = [stream.client, stream.environment, stream.model, *where, figure.metric]
                    samples.put("watchkeeper_gauge_value", values, figure.value)
