"""Drift between the two versions: whether they answer differently, and whether they are asked differently.

A column is compared cell by cell (a label, a tenth of the baseline's values, missing), in both directions. Different
inputs mean that the traffic is not split at random, so that a comparison blames a version for its inputs.
"""

from collections.abc import Mapping

import numpy as np

from monitor.rollouts import evidence
from monitor.rollouts.arms import Arms
from monitor.rollouts.evidence import Counts
from monitor.rollouts.signals.signal import CanarySignal, absent, not_measured, weighed

OUTPUTS, INPUTS = "outputs", "inputs"
_INPUT_DISTANCE = 0.1
"""The share of inputs that would have to be others, from which on the traffic counts as split wrongly."""
_EITHER_WAY = (1.5, 3.0, 1 / 1.5, 1 / 3.0)


def outputs(arms: Arms, weight: float) -> CanarySignal:
    """Whether the canary's answers differ from those of the stable version."""
    missing = "predictions are not text, and there is no baseline with predictions"
    sides = arms.canary.outputs, arms.stable.outputs
    return _differ(OUTPUTS, weight, arms, *sides, missing, arms.tolerated.outputs)


def inputs(arms: Arms, weight: float) -> CanarySignal:
    """Whether the canary's inputs differ from those of the stable version."""
    missing = "no features were sent that a baseline has"
    sides = arms.canary.inputs, arms.stable.inputs
    return _differ(INPUTS, weight, arms, *sides, missing, _INPUT_DISTANCE)


def _differ(
    name: str,
    weight: float,
    arms: Arms,
    canary: Mapping[str, np.ndarray],
    stable: Mapping[str, np.ndarray],
    nothing: str,
    least: float,
) -> CanarySignal:
    minutes = arms.canary.answers.shape[-1]
    by_column = {
        column: _counts(arms, canary[column], stable[column]) for column in canary if column in stable
    }
    usable = {
        column: counts
        for column, counts in by_column.items()
        if not absent(counts.canary[0], counts.stable[0], column)
    }
    if not usable:
        missing = [absent(one.canary[0], one.stable[0], f"`{name}`") for name, one in by_column.items()]
        return not_measured(name, weight, minutes, missing[0] if missing else nothing)
    paths = {column: different(counts) for column, counts in usable.items()}
    worst = max(paths, key=lambda column: float(paths[column].max()))
    counts, distance = usable[worst], _distance(usable[worst])
    reason = (
        f"{worst.removeprefix('features.')} is distributed differently by {distance:.1%} (total variation)"
    )
    signal = CanarySignal(
        name,
        weight,
        np.mean(list(paths.values()), axis=0),
        reason,
        distance,
        n_canary=float(counts.canary[0].sum()),
        n_stable=float(counts.stable[0].sum()),
        is_relevant=distance >= least,
    )
    return weighed(signal)


def different(counts: Counts) -> np.ndarray:
    """Evidence that both versions differ in any cell, from counts of shape (cells, minutes): shape (minutes,)."""
    return np.asarray(evidence.more_often_bad(counts, _EITHER_WAY).mean(axis=0))


def _counts(arms: Arms, canary: np.ndarray, stable: np.ndarray) -> Counts:
    """Each cell against all others; shape (cells, minutes)."""
    mine, other = arms.of_canary(canary.T), stable.T
    totals = (np.broadcast_to(side.sum(axis=0), side.shape) for side in (mine, other))
    return Counts(mine, next(totals), other, next(totals))


def _distance(counts: Counts) -> float:
    """The total variation distance, the stable version's minutes weighed by the canary's answers."""
    weights = np.where(counts.both, counts.canary, 0.0)
    total = weights[0].sum()
    mine = np.where(counts.both, counts.canary_bad, 0.0).sum(axis=-1) / total
    other = (counts.stable_bad / np.maximum(counts.stable, 1.0) * weights).sum(axis=-1) / total
    return float(np.abs(mine - other).sum() / 2)
