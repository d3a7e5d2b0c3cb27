"""Counts the attributions of rows: exact sums of their sizes, per feature. Rows without attributions add nothing.

The size of an attribution is its absolute value. A row that has attributions, but none of a certain feature, counts
zero for it: some senders give only the largest. Rows with a size whose square is not finite are set aside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.windows.kernel.count_column import Weights
from monitor.windows.kernel.exact_sums import exact_sum
from monitor.windows.layout.layout import Floats
from monitor.windows.profile import Slice

ATTRIBUTIONS = "attributions."
MOST_FEATURES = 200
"""Features whose attributions are counted. Where a batch of rows has more, none is."""
LEAST_ROWS = 100
"""Rows with attributions from which shares say how important features are."""
_GIVEN, _SIZE, _SQUARE, _PRODUCT = (f"attribution {what}:" for what in ("given", "size", "square", "product"))
_WEIGHT, _WEIGHT_SQUARES, _ALL, _ALL_SQUARES, _TOO_WIDE, _TOO_LARGE = (
    f"attributions {what}"
    for what in ("weight", "weight squares", "all", "all squares", "too wide", "too large")
)
_SMALLEST, _LARGEST = 1e-100, 1e150
"""Smaller sizes are zero, larger ones set aside: their squares would not be exact."""


@dataclass(frozen=True, slots=True, eq=False)
class Attributions:
    """What is known of the attributions of a slice.

    `sizes` are the mean absolute attributions of `features` (sorted), and `variances` those of single rows; `shares`
    are the parts of the sum of all sizes, and `share_variances` those of single rows. Each of shape (features,). `rows`
    is the number of rows with attributions, as if none were weighted. `set_aside` rows had a value that is too large,
    `too_wide` rows more than 200 features.
    """

    features: tuple[str, ...]
    sizes: Floats
    variances: Floats
    shares: Floats
    share_variances: Floats
    rows: float
    set_aside: float = 0.0
    too_wide: float = 0.0

    def place(self, feature: str) -> int | None:
        """The place of a feature in the arrays; None if no row attributes it."""
        return self.features.index(feature) if feature in self.features else None

    def over(self, features: Sequence[str]) -> tuple[Floats, Floats]:
        """The sizes of these features with their standard errors, zero for those that no row attributes."""
        sizes, errors = np.zeros(len(features)), np.zeros(len(features))
        at = [features.index(name) for name in self.features]
        sizes[at], errors[at] = self.sizes, np.sqrt(self.variances / self.rows)
        return sizes, errors


def count(rows: pa.RecordBatch, weights: Weights) -> dict[str, int]:
    """The named exact sums of rows whose features are stored; empty without attributions."""
    names = sorted({name for name in rows.schema.names if name.startswith(ATTRIBUTIONS)})
    if not names or not rows.num_rows:
        return {}
    each = np.full(rows.num_rows, weights.same) if weights.each is None else weights.each
    has_any = np.logical_or.reduce([arrays.valid(rows.column(name)) for name in names])
    if len(names) > MOST_FEATURES:
        return _known({_TOO_WIDE: exact_sum(each[has_any])})
    sizes = np.abs(np.nan_to_num(np.stack([arrays.floats(rows.column(name)) for name in names]), nan=0.0))
    is_usable = has_any & (sizes < _LARGEST / MOST_FEATURES).all(axis=0)
    given = [exact_sum(each[is_usable & arrays.valid(rows.column(name))]) for name in names]
    sizes, weight = sizes[:, is_usable], each[is_usable]
    sizes[sizes < _SMALLEST] = 0.0
    whole = np.zeros(weight.size)
    for size in sizes:  # one by one: so the sum of a row does not depend on the rows beside it
        whole += size
    totals = {
        _WEIGHT: exact_sum(weight),
        _WEIGHT_SQUARES: exact_sum(weight * weight),
        _ALL: exact_sum(weight * whole),
        _ALL_SQUARES: exact_sum(weight * whole * whole),
        _TOO_LARGE: exact_sum(each[has_any & ~is_usable]),
    }
    for name, size, rows_with in zip(names, sizes, given, strict=True):
        feature = name.removeprefix(ATTRIBUTIONS)
        totals[f"{_GIVEN}{feature}"] = rows_with
        totals[f"{_SIZE}{feature}"] = exact_sum(weight * size)
        totals[f"{_SQUARE}{feature}"] = exact_sum(weight * size * size)
        totals[f"{_PRODUCT}{feature}"] = exact_sum(weight * size * whole)
    return _known(totals)


def _known(totals: dict[str, int]) -> dict[str, int]:
    return {name: total for name, total in totals.items() if total}


def attributions_of(part: Slice) -> Attributions | None:
    """The attributions of a slice; None if none of its rows had any."""
    weight, set_aside, too_wide = (part.total(name) for name in (_WEIGHT, _TOO_LARGE, _TOO_WIDE))
    if not weight:
        nothing = np.zeros(0)
        if not (set_aside or too_wide):
            return None
        return Attributions((), nothing, nothing, nothing, nothing, 0.0, set_aside, too_wide)
    names = sorted(name.removeprefix(_GIVEN) for name in part.totals if name.startswith(_GIVEN))
    sizes, squares, products = (
        np.array([part.total(f"{kind}{name}") for name in names]) / weight
        for kind in (_SIZE, _SQUARE, _PRODUCT)
    )
    whole, whole_squares = part.total(_ALL) / weight, part.total(_ALL_SQUARES) / weight
    shares = sizes / whole if whole else np.zeros(len(names))
    # The delta method for a ratio of means.
    spread = squares - 2 * shares * products + shares * shares * whole_squares
    share_variances = np.maximum(spread, 0.0) / whole / whole if whole else np.zeros(len(names))
    return Attributions(
        tuple(names),
        sizes,
        np.maximum(squares - sizes * sizes, 0.0),
        shares,
        share_variances,
        weight * weight / part.total(_WEIGHT_SQUARES),
        set_aside,
        too_wide,
    )


def shares_of(part: Slice) -> Mapping[str, float]:
    """The share of each feature in the attributions of a slice, the largest first; empty below 100 such rows."""
    attributions = attributions_of(part)
    if attributions is None or attributions.rows < LEAST_ROWS:
        return {}
    shares = {
        name: one
        for name, one in zip(attributions.features, attributions.shares.tolist(), strict=True)
        if one > 0
    }
    return dict(sorted(shares.items(), key=lambda one: (-one[1], one[0])))
