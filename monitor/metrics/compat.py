"""The formulas of Evidently and NannyML, for users who compare values during a migration.

These tools choose bins for each window, so the functions take raw values, not profiles. Watchkeeper's own metrics do
not use them, and the daemon does not load this file. It needs scipy (extra `compat`). Missing values are dropped, as in
both tools; a sample of missing values alone raises ValueError. Formulas of Evidently 0.7.23 and NannyML 0.13.1; tests
compare them with values that the packages computed.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

try:
    from scipy import stats
    from scipy.spatial import distance
except ModuleNotFoundError as error:
    msg = "monitor.metrics.compat needs scipy: pip install 'watchkeeper[compat]'"
    raise ModuleNotFoundError(msg, name="scipy") from error

Compat = Literal["evidently", "nannyml"]
Values = Sequence[float | None] | Sequence[str | None] | np.ndarray
_MANY_VALUES = 20
_FILL = 1e-4


def psi(reference: Values, current: Values, compat: Compat = "evidently") -> float:
    """Evidently's PSI: Sturges bins over both samples (or values, up to 20 of them), zeros replaced by 0.0001."""
    _only(compat, "evidently", "PSI")
    r, c = (_filled(side) for side in _evidently_shares(reference, current))
    return float(((r - c) * np.log(r / c)).sum())


def kullback_leibler(reference: Values, current: Values, compat: Compat = "evidently") -> float:
    """Evidently's divergence of the reference from the window, in nats."""
    _only(compat, "evidently", "Kullback-Leibler divergence")
    r, c = (_filled(side) for side in _evidently_shares(reference, current))
    return float(stats.entropy(r, c))


def jensen_shannon(reference: Values, current: Values, compat: Compat) -> float:
    """Evidently: base e, its bins of both samples. NannyML: base 2, Doane bins of the reference, one for the rest."""
    if compat == "evidently":
        return float(distance.jensenshannon(*_evidently_shares(reference, current)))
    return float(distance.jensenshannon(*_nannyml_shares(reference, current), base=2))


def hellinger(reference: Values, current: Values, compat: Compat) -> float:
    """Evidently: densities over Sturges bins of the distinct values. NannyML: its bins of the reference."""
    r, c = _clean(reference), _clean(current)
    if compat == "evidently" and not _is_text(r):
        edges = np.histogram_bin_edges(np.unique(np.concatenate([r, c])), bins="sturges")
        widths = np.diff(edges)
        p, q = (np.histogram(side, edges, density=True)[0] for side in (r, c))
        return float(np.sqrt(max(1 - (np.sqrt(p * q) * widths).sum(), 0.0)))
    shares = _union_shares(r, c) if compat == "evidently" else _nannyml_shares(reference, current)
    return float(np.sqrt(max(1 - np.sqrt(shares[0] * shares[1]).sum(), 0.0)))


def wasserstein(reference: Values, current: Values, compat: Compat) -> float:
    """Evidently: over the reference's standard deviation (at least 0.001). NannyML: in the unit of the values; with
    10,000 reference rows and more NannyML bins them first, which this does not.
    """
    r, c = _clean(reference), _clean(current)
    moved = float(stats.wasserstein_distance(r, c))
    return moved / max(float(np.std(r)), 0.001) if compat == "evidently" else moved


def kolmogorov_smirnov(reference: Values, current: Values, compat: Compat) -> float:
    """Evidently: the p-value. NannyML: the distance (exact below 10,000 reference rows)."""
    result = stats.ks_2samp(_clean(reference), _clean(current))
    return float(result.pvalue if compat == "evidently" else result.statistic)


def chi_square(reference: Values, current: Values, compat: Compat) -> float:
    """Evidently: p-value of the window against the scaled reference, 0 if there is a new label. NannyML: the
    contingency statistic, with Yates' correction for two labels.
    """
    r, c = _clean(reference), _clean(current)
    labels = np.unique(np.concatenate([r, c]))
    before, after = (np.array([(side == label).sum() for label in labels], float) for side in (r, c))
    if compat == "nannyml":
        return float(stats.chi2_contingency(np.stack([before, after])).statistic)
    if bool((before == 0).any()):
        return 0.0
    return float(stats.chisquare(after, before * after.sum() / before.sum()).pvalue)


def l_infinity(reference: Values, current: Values, compat: Compat = "nannyml") -> float:
    """NannyML's largest change of a label's share, over the labels of both samples."""
    _only(compat, "nannyml", "L-infinity distance")
    before, after = _union_shares(_clean(reference), _clean(current))
    return float(np.abs(before - after).max())


def _only(requested: Compat, tool: Compat, formula: str) -> None:
    if requested != tool:
        raise ValueError(f"{requested} has no {formula}; {tool} has")


def _clean(values: Values) -> np.ndarray:
    """Finite numbers, or texts; None is missing in both."""
    array = np.asarray(values)
    if array.dtype == object and not any(isinstance(value, str) for value in array):
        array = np.array([np.nan if value is None else value for value in array], float)
    if array.dtype.kind in "fiub":
        numbers = array.astype(float)
        values_present = np.asarray(numbers[np.isfinite(numbers)])
    else:
        values_present = np.asarray([str(value) for value in array if value is not None], dtype=str)
    if not values_present.size:
        raise ValueError("a sample has no value to compare")
    return values_present


def _is_text(values: np.ndarray) -> bool:
    return values.dtype.kind == "U"


def _evidently_shares(reference: Values, current: Values) -> tuple[np.ndarray, np.ndarray]:
    r, c = _clean(reference), _clean(current)
    if _is_text(r) or np.unique(r).size <= _MANY_VALUES:
        return _union_shares(r, c)
    edges = np.histogram_bin_edges(np.concatenate([r, c]), bins="sturges")
    return np.histogram(r, edges)[0] / r.size, np.histogram(c, edges)[0] / c.size


def _union_shares(r: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = np.unique(np.concatenate([r, c]))
    before, after = (np.array([(side == value).mean() for value in values]) for side in (r, c))
    return before, after


def _nannyml_shares(reference: Values, current: Values) -> tuple[np.ndarray, np.ndarray]:
    """Bins of the reference, and one more for all values outside of them."""
    r, c = _clean(reference), _clean(current)
    if _is_text(r):
        known = np.unique(r)
        before, after = (np.array([(side == value).mean() for value in known]) for side in (r, c))
    else:
        edges = np.histogram_bin_edges(r, bins="doane")
        before, after = np.histogram(r, edges)[0] / r.size, np.histogram(c, edges)[0] / c.size
    return np.append(before, 0.0), np.append(after, max(1 - after.sum(), 0.0))


def _filled(shares: np.ndarray) -> np.ndarray:
    least = shares[shares > 0].min()
    return np.where(shares == 0, _FILL if least > _FILL else least / 1e6, shares)
