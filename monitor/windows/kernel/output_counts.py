"""Counts the errors of several numbers that one prediction has (`outputs`), as exact sums of each output.

Where a batch has more than `MOST_OUTPUTS` outputs, none is counted; where windows have more together, as many are kept,
and a sum over all of them says how many numbers the others had.
"""

import numpy as np
import pyarrow as pa

from monitor.predictions.log.item_lists import grades_of, in_parts
from monitor.windows.kernel.exact_sums import exact_sum
from monitor.windows.kernel.tally import MOST_OUTPUTS, OUTPUT
from monitor.windows.profile import Slice

PREDICTED, TRUE = "outputs", "outcome.true_outputs"
N, ERROR, ABSOLUTE, SQUARED, FOURTH, TRUTH, TRUTH_SQUARED, ASIDE = (
    "n", "error", "absolute", "squared", "fourth", "truth", "truth squared", "aside",
)  # fmt: skip
TOO_MANY, IN_ALL = "outputs too many", "outputs in all"
_LARGEST = 1e70
"""Larger values have no finite fourth power of their error: they are set aside."""


def name_of(what: str, output: str) -> str:
    """The name of a sum of one output."""
    return f"{OUTPUT}{what}:{output}"


def outputs_of(part: Slice) -> list[str]:
    """The outputs that a slice has, sorted."""
    prefixes = tuple(name_of(what, "") for what in (N, ASIDE))
    return sorted({name.partition(":")[2] for name in part.totals if name.startswith(prefixes)})


def left_out(part: Slice) -> int:
    """How many numbers of a slice are of outputs that it does not have; 0 of profiles that have no sum over all."""
    own = sum(part.total(name_of(what, output)) for output in outputs_of(part) for what in (N, ASIDE))
    return max(0, round(part.total(IN_ALL) - own))


def count(joined: pa.RecordBatch) -> dict[str, int]:
    """The sums of rows whose true outputs have become known. An output counts where both sides have it."""
    names = joined.schema.names
    if PREDICTED not in names or TRUE not in names:
        return {}
    is_known = np.logical_and(joined.column(PREDICTED).is_valid(), joined.column(TRUE).is_valid())
    rows = joined.filter(pa.array(is_known))
    outputs: set[str] = set()
    totals: dict[str, int] = {}
    for part in in_parts(rows, (PREDICTED, TRUE)):
        pairs = _pairs(part)
        outputs |= pairs.keys()
        if len(outputs) > MOST_OUTPUTS:
            return {TOO_MANY: exact_sum(np.ones(rows.num_rows))}
        for output, values in pairs.items():
            for what, total in _sums(np.array(values)).items():
                name = name_of(what, output)
                totals[name] = totals.get(name, 0) + total
        numbers = sum(map(len, pairs.values()))
        totals[IN_ALL] = totals.get(IN_ALL, 0) + exact_sum(np.ones(numbers))
    return {name: totals[name] for name in sorted(totals) if totals[name]}


def _pairs(rows: pa.RecordBatch) -> dict[str, list[tuple[float, float]]]:
    """Answers and truths by output."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    for answer, truth in zip(rows.column(PREDICTED).to_pylist(), rows.column(TRUE).to_pylist(), strict=True):
        known = grades_of(truth)
        for output, value in grades_of(answer).items():
            if output in known:
                pairs.setdefault(output, []).append((value, known[output]))
    return pairs


def _sums(values: np.ndarray) -> dict[str, int]:
    fits = (np.abs(values) < _LARGEST).all(axis=1)
    answers, truths = values[fits].T
    errors = answers - truths
    columns = {
        N: np.ones(errors.size),
        ERROR: errors,
        ABSOLUTE: np.abs(errors),
        SQUARED: errors**2,
        FOURTH: errors**4,
        TRUTH: truths,
        TRUTH_SQUARED: truths**2,
        ASIDE: np.ones(int((~fits).sum())),
    }
    return {what: exact_sum(column) for what, column in columns.items()}
