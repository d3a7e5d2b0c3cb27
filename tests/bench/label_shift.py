"""Estimated mean absolute errors when other outcomes become frequent: `python -m tests.bench.label_shift`.

A regressor knows the expected value of its target, which explains much or little of it. Then the highest quarter of the
targets becomes more frequent, with the same features for the same target (label shift). Prints how often the interval
of the estimate held the measured error, how far it was off, and how often the gap lets `EstimatesOff` fire. The seeds
(1 and up) are not those of the tests.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.estimated import dle, gap
from monitor.records import Measurement, Stream, Window
from monitor.windows.baseline_from_table import Baseline, conform, count_table, from_table

STREAM = Stream("bench", "label shift")
BASELINE, WINDOW, QUARTER = 20_000, 5_000, 0.25
SHARES, NOISES = (0.25, 0.5, 0.75), (8.0, 20.0)
LIMIT = 0.1
"""The gap, relative to the measured error, from which `EstimatesOff` fires."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A share of the highest quarter of the targets; the standard deviation of the errors (of what is expected: 12)."""

    share: float
    noise: float


def rows(seed: int, n: int, shift: Shift) -> pa.Table:
    """Predictions with truths."""
    rng = np.random.default_rng(seed)
    x, y, z = rng.normal(size=(3, 4 * n))
    expected = 100 + 10 * x + 6 * y + 4 * x * y
    truth = expected + rng.normal(size=4 * n) * shift.noise
    high = truth > np.quantile(truth, 1 - QUARTER)
    few = round(shift.share * n)
    chosen = rng.permutation(np.append(np.flatnonzero(high)[:few], np.flatnonzero(~high)[: n - few]))
    named: dict[str, np.ndarray] = {
        "features.x": x, "features.y": y, "features.z": z, "prediction": expected, "outcome.truth": truth,
    }  # fmt: skip
    return pa.table({name: values[chosen] for name, values in named.items()})


def learned(seed: int, noise: float) -> Baseline:
    """A baseline without a shift."""
    table = rows(seed, BASELINE, Shift(QUARTER, noise))
    return from_table(STREAM, table, 0.0, with_trees=True)


def estimated(base: Baseline, table: pa.Table) -> Mapping[str, Measurement]:
    """The estimates of a window and what is known of their error, by metric."""
    subject = Subject(STREAM, Window(0, 60), count_table(conform(table), base.layout), base, MetricSettings())
    return {
        one.metric: one for one in (*dle.measure(subject), *gap.measure(subject)) if one.value is not None
    }


def lines(baselines: int, windows: int) -> Iterator[str]:
    """A line for each shift."""
    for noise in NOISES:
        bases = [learned(10 * seed, noise) for seed in range(1, baselines + 1)]
        for share in SHARES:
            inside = fires = 0
            gaps = []
            for number, base in enumerate(bases, 1):
                for one in range(windows):
                    table = rows(1000 * number + one, WINDOW, Shift(share, noise))
                    truth, answer = (table.column(n).to_numpy() for n in ("outcome.truth", "prediction"))
                    measured = float(np.abs(truth - answer).mean())
                    seen = estimated(base, table)
                    estimate, watch = seen["estimated_mae"], seen["estimate_gap"]
                    inside += bool((estimate.low or 0) <= measured <= (estimate.high or 0))
                    gaps.append(watch.value or 0.0)
                    low, high = watch.low or 0.0, watch.high or 0.0
                    fires += bool(low > LIMIT or high < -LIMIT)
            total = len(gaps)
            yield (
                f"errors of {noise:g}, highest quarter {share:.0%}: held in "
                f"{inside / total:.0%} of {total}, gap {np.mean(gaps):+.1%}, beyond {LIMIT:.0%} in {fires} windows"
            )


def main() -> None:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baselines", type=int, default=4)
    parser.add_argument("--windows", type=int, default=12, help="of each baseline and shift")
    asked = parser.parse_args()
    for line in lines(asked.baselines, asked.windows):
        print(line, flush=True)


if __name__ == "__main__":
    main()
