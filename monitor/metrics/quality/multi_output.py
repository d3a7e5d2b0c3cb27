"""Quality of answers that are several numbers: the errors of each output."""

import math
from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.intervals import Interval
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.kernel import output_counts as counts
from monitor.windows.kernel.tally import MOST_OUTPUTS
from monitor.windows.profile import Slice

_WHERE = ("output", "version", "segment")
_NEEDS = "`outputs`, outcomes with `true_outputs`"
MAE = MetricInfo(
    "output_mae", "", Better.LOWER, "Mean absolute error of an output, in its unit.", _WHERE,
    "mean |output - truth|", _NEEDS,
)  # fmt: skip
RMSE = MetricInfo(
    "output_rmse", "", Better.LOWER, "Root of the mean squared error of an output, in its unit.", _WHERE,
    "sqrt(mean (output - truth)^2)", _NEEDS,
)  # fmt: skip
BIAS = MetricInfo(
    "output_bias", "", Better.NONE, "Mean error of an output: above 0 it is too high.", _WHERE,
    "mean (output - truth)", _NEEDS,
)  # fmt: skip
R_SQUARED = MetricInfo(
    "output_r_squared", "", Better.HIGHER, "Share of the truth's variance that an output explains; 1 is perfect.",
    _WHERE, "1 - sum (output - truth)^2 / sum (truth - mean)^2", _NEEDS,
)  # fmt: skip
INFO = (MAE, RMSE, BIAS, R_SQUARED)
_Figures = dict[MetricInfo, tuple[float, Interval | None]]


def measure(subject: Subject) -> Iterator[Measurement]:
    """The errors of each output, for all rows, by version and by segment; nothing of a model that sends none."""
    for where, part, base in subject.scopes():
        if n := part.total(counts.TOO_MANY):
            reason = f"rows of one time have more than {MOST_OUTPUTS} outputs"
            yield from (subject.not_measured(info, reason, n, where=where) for info in INFO)
            continue
        if others := counts.left_out(part):
            reason = f"more than {MOST_OUTPUTS} outputs: the others are not measured"
            yield from (subject.not_measured(info, reason, others, where=where) for info in INFO)
        for output in counts.outputs_of(part):
            yield from _of_output(subject, output, labels(output=output, **dict(where)), part, base)


def _of_output(
    subject: Subject, output: str, where: Labels, part: Slice, base: Slice | None
) -> Iterator[Measurement]:
    needed, n = subject.settings.min_outcomes, part.total(counts.name_of(counts.N, output))
    if n < needed:
        for info in INFO:
            yield subject.not_measured(info, too_few(n, needed, "outcomes of the output"), n, where=where)
        return
    usual: _Figures = {}
    if base is not None and base.total(counts.name_of(counts.N, output)) >= needed:
        usual = _figures(base, output)
    figures = _figures(part, output)
    for info, (value, interval) in figures.items():
        before = usual.get(info)
        yield subject.ok(
            info, value, n, where=where, interval=interval, baseline=None if before is None else before[0]
        )
    if R_SQUARED not in figures:
        yield subject.not_measured(R_SQUARED, "all true values are equal", n, where=where)


def _figures(part: Slice, output: str) -> _Figures:
    def total(what: str) -> float:
        return part.total(counts.name_of(what, output))

    n = total(counts.N)
    squared = total(counts.SQUARED)
    mean, absolute = total(counts.ERROR) / n, total(counts.ABSOLUTE) / n
    spread = intervals.variance_of(squared, total(counts.FOURTH), n)
    low, high = intervals.of_mean(squared / n, spread, n)
    around = intervals.of_mean(absolute, intervals.variance_of(n * absolute, squared, n), n)
    figures: _Figures = {
        MAE: (absolute, (max(around[0], 0.0), around[1])),
        RMSE: (math.sqrt(squared / n), (math.sqrt(max(low, 0.0)), math.sqrt(high))),
        BIAS: (mean, intervals.of_mean(mean, intervals.variance_of(n * mean, squared, n), n)),
    }
    of_truth = total(counts.TRUTH_SQUARED) - total(counts.TRUTH) ** 2 / n
    if of_truth > 1e-12 * total(counts.TRUTH_SQUARED):
        figures[R_SQUARED] = 1 - squared / of_truth, None
    return figures
