"""Which features drive the answers: the mutual information of each feature with the answer.

Both are divided into the coarse cells of the layout. The mutual information, less what chance gives at this number of
rows (Miller 1955), over the entropy of the answers is the share of their uncertainty that this feature alone removes: 0
for a feature that says nothing, 1 for one that decides everything. No model is called and nothing is permuted. Features
that move together share their importance in full, and features that only matter together have none.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from monitor.windows.kernel.segment_cells import ABLE, cells_of_rows
from monitor.windows.layout.layout import Column, Floats, Layout

ANSWER = "prediction"


def importance(rows: pa.RecordBatch, layout: Layout) -> tuple[Mapping[str, float], str]:
    """The share by feature, the largest first; or none, and the reason. `rows` are those of a prediction batch."""
    answer = layout.by_name.get(ANSWER)
    if answer is None or ANSWER not in rows.schema.names or len(answer.cells) < 2:
        return {}, "the answers are not compared with a baseline"
    if "error" in rows.schema.names:
        rows = rows.filter(rows.column("error").is_null())
    rows = rows.filter(rows.column(ANSWER).is_valid())
    answers = cells_of_rows(answer, rows)
    uncertainty = _entropy(np.bincount(answers))
    if not rows.num_rows or uncertainty <= 0:
        return {}, f"all {rows.num_rows:,} answers are alike" if rows.num_rows else "no row has an answer"
    able = [feature for feature in layout.features if feature.kind in ABLE and not feature.open_ended]
    shares = {_name(one): _information(cells_of_rows(one, rows), answers) / uncertainty for one in able}
    return dict(sorted(shares.items(), key=lambda one: (-one[1], one[0]))), ""


def _name(column: Column) -> str:
    return column.feature or column.name


def _information(cells: np.ndarray, answers: np.ndarray) -> float:
    """The mutual information in nats, corrected for chance, at least 0."""
    width = int(answers.max()) + 1
    joint = np.bincount(cells * width + answers, minlength=(int(cells.max()) + 1) * width).reshape(-1, width)
    by_cell, by_answer = joint.sum(axis=1), joint.sum(axis=0)
    kinds = [int((counts > 0).sum()) for counts in (joint, by_cell, by_answer)]
    chance = (kinds[0] - kinds[1] - kinds[2] + 1) / (2 * len(cells))
    information = _entropy(by_cell) + _entropy(by_answer) - _entropy(joint.ravel())
    return max(information - chance, 0.0)


def _entropy(counts: np.ndarray) -> float:
    """The entropy of a distribution in nats, from its counts."""
    shares: Floats = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(shares * np.log(shares)).sum())
