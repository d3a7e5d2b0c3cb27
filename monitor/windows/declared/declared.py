"""What is declared of a model over time, without the store: comparisons of files load this too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.expectations.expectation import Expectation
from monitor.records import Window
from monitor.windows.declared.custom_metric import CustomMetric


@dataclass(frozen=True, slots=True)
class Declared:
    """The definitions of a model over time, the oldest first: the start of the first window of each, and the metric
    (None: it is no longer declared).
    """

    metrics: Mapping[str, Sequence[tuple[int, CustomMetric | None]]]
    suites: Sequence[tuple[int, Sequence[Expectation]]] = ()

    def at(self, start: float) -> list[CustomMetric]:
        """The metrics that count the rows of a window that starts then."""
        counts = []
        for versions in self.metrics.values():
            begun = [metric for since, metric in versions if since <= start]
            if begun and begun[-1] is not None:
                counts.append(begun[-1])
        return counts

    def of(self, window: Window) -> list[CustomMetric]:
        """The metrics that are measured of a window: those that count its newest rows."""
        return self.at(window.end - 1)

    def expectations_at(self, start: float) -> Sequence[Expectation]:
        """The expectations that the rows of a window that starts then are checked against."""
        begun = [suite for since, suite in self.suites if since <= start]
        return begun[-1] if begun else ()

    def expectations_of(self, window: Window) -> Sequence[Expectation]:
        """The expectations that are measured of a window."""
        return self.expectations_at(window.end - 1)

    @property
    def all(self) -> list[CustomMetric]:
        """The metrics of all times."""
        return [metric for versions in self.metrics.values() for _, metric in versions if metric is not None]


NOTHING = Declared({})
