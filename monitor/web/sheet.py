"""Samples on their way to Prometheus: gathered by metric, capped, and told apart by the names that are known.

Lines are written as they are put in, and the part of a line before its value is kept from scrape to scrape: the usual
encoder makes thousands of objects and sorts each one's labels anew. The tests hold the text to that encoder's.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from monitor.web.names import BY_NAME, Exported

Bucket = tuple[str, float] | tuple[str, float, Exemplar | None]
"""Upper bound, cumulative count, and one value that fell into the bucket."""
_HEADS = 32_768
_number: Callable[[float], str] = floatToGoString


class Sheet:
    """One answer to a scrape. Only names that are known can be written, and no more series than allowed."""

    def __init__(self, most: int) -> None:
        self._lines: dict[str, list[str]] = {}
        self._left = most
        self.dropped: dict[str, int] = {}

    def put(self, name: str, values: Sequence[str], value: float) -> None:
        """One sample of a gauge or counter; `values` are its labels' values in the order of `names`."""
        if self._takes(name, 1):
            exported = BY_NAME[name]
            head = _head(
                f"{name}_total" if exported.kind == "counter" else name, exported.labels, tuple(values)
            )
            self._lines.setdefault(name, []).append(f"{head} {_number(value)}\n")

    def info(self, name: str, values: Sequence[str]) -> None:
        """One series of an info metric."""
        if self._takes(name, 1):
            head = _head(f"{name}_info", BY_NAME[name].labels, tuple(values))
            self._lines.setdefault(name, []).append(f"{head} 1.0\n")

    def histogram(self, name: str, values: Sequence[str], buckets: Sequence[Bucket], total: float) -> None:
        """One histogram: cumulative counts by upper bound (the last is `+Inf`), and the sum of the values.

        Values beside buckets are for OpenMetrics alone.
        """
        if not self._takes(name, len(buckets) + 2):
            return
        labels, own = BY_NAME[name].labels, tuple(values)
        lines = self._lines.setdefault(name, [])
        for bound, count, *beside in buckets:
            head = _head(f"{name}_bucket", (*labels, "le"), (*own, bound))
            lines.append(f"{head} {_number(count)}{_told(beside[0] if beside else None)}\n")
        lines.append(f"{_head(f'{name}_count', labels, own)} {_number(buckets[-1][1])}\n")
        lines.append(f"{_head(f'{name}_sum', labels, own)} {_number(total)}\n")

    def drop(self, name: str, series: int) -> None:
        """Say that series were left out."""
        if series:
            self.dropped[name] = self.dropped.get(name, 0) + series

    def text(self, *, open_metrics: bool) -> str:
        """All that was written, in either format, without an end."""
        return "".join(self._parts(open_metrics=open_metrics))

    def _parts(self, *, open_metrics: bool) -> Iterator[str]:
        for name, lines in self._lines.items():
            exported = BY_NAME[name]
            called, kind = (name, exported.kind) if open_metrics else _as_plain(exported)
            yield f"# HELP {called} {_escaped(exported.help, quotes=open_metrics)}\n# TYPE {called} {kind}\n"
            yield from lines

    def _takes(self, name: str, series: int) -> bool:
        if self._left < series:
            self.drop(name, series)
            return False
        self._left -= series
        return True


def _as_plain(exported: Exported) -> tuple[str, str]:
    """Name and type in Prometheus' own format, which knows no information and names counters by their samples."""
    if exported.kind == "info":
        return f"{exported.name}_info", "gauge"
    return (f"{exported.name}_total" if exported.kind == "counter" else exported.name), exported.kind


@lru_cache(maxsize=_HEADS)
def _head(name: str, labels: tuple[str, ...], values: tuple[str, ...]) -> str:
    """A sample's name and labels, as they stand before its value."""
    pairs = sorted(zip(labels, values, strict=True))
    told = ",".join(f'{label}="{_escaped(value)}"' for label, value in pairs)
    return f"{name}{{{told}}}" if told else name


def _escaped(value: str, *, quotes: bool = True) -> str:
    escaped = value.replace("\\", r"\\").replace("\n", r"\n")
    return escaped.replace('"', r"\"") if quotes else escaped


def _told(exemplar: Exemplar | None) -> str:
    if exemplar is None:
        return ""
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(exemplar.labels.items()))
    at = "" if exemplar.timestamp is None else f" {exemplar.timestamp}"
    return f" # {{{labels}}} {_number(exemplar.value)}{at}"
