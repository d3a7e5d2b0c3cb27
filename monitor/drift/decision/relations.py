"""A relation of two columns is judged only while neither of the two has changed itself: one cause, one name."""

from collections.abc import Sequence

import numpy as np

from monitor.drift.columns import Floats, WatchedColumn

SUSPECT = 0.1
"""Evidence over limit from which a column may be what changes its relations."""


def explained(
    columns: Sequence[WatchedColumn], ratio: Floats, broken: np.ndarray, member: np.ndarray
) -> np.ndarray:
    """The relations that a change of one of their columns may explain, bool (columns + 1,): it has a tenth of the
    evidence of an alarm, broke, or belongs to the open incident.
    """
    return _of_any(columns, (ratio[:-1] >= SUSPECT) | (broken >= 0) | member[:-1])


def following(columns: Sequence[WatchedColumn], member: np.ndarray) -> np.ndarray:
    """The relations outside of the incident of which a column belongs to it, bool (columns + 1,). Their evidence
    restarts: it is that of the column.
    """
    return np.asarray(_of_any(columns, member[:-1]) & ~member)


def _of_any(columns: Sequence[WatchedColumn], moved: np.ndarray) -> np.ndarray:
    chosen = np.zeros(len(columns) + 1, bool)
    relations = [(index, column.relates) for index, column in enumerate(columns) if column.relates]
    if relations and moved.any():
        names = {columns[index].name for index in np.flatnonzero(moved).tolist()}
        for index, related in relations:
            chosen[index] = not names.isdisjoint(related[:2])
    return chosen
