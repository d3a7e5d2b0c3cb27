"""Learns the trees of a baseline in a process of its own, if scikit-learn is installed (extra `estimates`)."""

import io
import os
import subprocess
import sys
from collections.abc import Collection
from importlib.util import find_spec

import msgspec
import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.predictions.log.columns import numbers
from monitor.windows.error_trees.expected_errors import matrix
from monitor.windows.error_trees.trees import ErrorTrees, decode
from monitor.windows.kernel.confusion_counts import count_pairs, labels_of
from monitor.windows.layout.expected_answers import joins_of
from monitor.windows.layout.layout import Layout

MOST_ROWS = 60_000
_MOST_VALUES = 6_000_000
"""Of all rows and columns together: about 50 MB."""
FEWEST_ROWS = 1000
_PATIENCE = 300.0
_COMMAND = (sys.executable, "-m", "monitor.windows.error_trees.fit")
_LARGEST = 1e100
_BY_TABLE = "errors are estimated by a table of each feature alone"
WITHOUT = f"{_BY_TABLE}: for what features do together, pip install 'watchkeeper[estimates]'"


def learn(rows: pa.RecordBatch, layout: Layout) -> tuple[ErrorTrees | None, str]:
    """The trees for rows with `prediction` and `outcome.truth`, and a hint for users, which may be empty.

    None if the answers are neither numbers nor classes without a confidence, if fewer than 1,000 have a truth, or if
    the trees cannot be learned.
    """
    names = set(rows.schema.names)
    errors = _errors(rows, layout) if {"prediction", "outcome.truth"} <= names else None
    if errors is None:
        return None, ""
    usable = np.flatnonzero(errors < _LARGEST)
    if usable.size < FEWEST_ROWS:
        return None, ""
    is_class = layout.by_name["prediction"].labelled
    if find_spec("sklearn") is None:
        return None, "" if is_class else WITHOUT
    most = min(usable.size, MOST_ROWS, max(FEWEST_ROWS, _MOST_VALUES // max(len(layout.watched), 1)))
    chosen = usable[np.linspace(0, usable.size - 1, most).astype(int)]
    columns, in_order = layout.watched, "timestamp" in names
    if in_order:
        times = numbers(rows.column("timestamp").cast(pa.int64())).values[chosen]
        chosen = chosen[np.argsort(times, kind="stable")]
    try:
        values = np.clip(matrix(rows.take(pa.array(chosen)), columns), -_LARGEST, _LARGEST)
        varies = np.flatnonzero(
            np.fmax.reduce(values) > np.fmin.reduce(values)
        )  # one value alone says nothing
        if not varies.size:
            return None, ""
        names_of = [columns[place].name for place in varies.tolist()]
        return _in_process(names_of, values[:, varies], errors[chosen], in_order=in_order), ""
    except (OSError, RuntimeError, ValueError, MemoryError, msgspec.MsgspecError, RecursionError) as error:
        instead = (
            "the accuracy is not estimated"
            if is_class
            else "errors are estimated by a table of each feature alone"
        )
        return None, f"{instead}: {error}"


def has_errors(layout: Layout, names: Collection[str]) -> bool:
    """Whether errors can be learned from rows with these columns: answers that are numbers, or classes that come
    without a confidence.
    """
    answer = layout.by_name.get("prediction")
    return answer is not None and not (answer.labelled and "confidence" in names)


def _errors(rows: pa.RecordBatch, layout: Layout) -> np.ndarray | None:
    """The absolute error of each row, or 1 for a wrong class and 0 for a right one; NaN where it is not known."""
    if not has_errors(layout, rows.schema.names):
        return None
    answer, truth = rows.column("prediction"), rows.column("outcome.truth")
    if not layout.by_name["prediction"].labelled:
        return np.asarray(np.abs(numbers(answer).values - numbers(truth).values))
    known = np.flatnonzero(arrays.valid(answer) & arrays.valid(truth))
    chosen = pa.array(known)
    correct, _ = count_pairs(
        labels_of(truth.take(chosen)), labels_of(answer.take(chosen)), joins_of(layout), sparse=False
    )
    errors = np.full(rows.num_rows, np.nan)
    errors[known] = ~correct
    return errors


def _in_process(names: list[str], columns: np.ndarray, errors: np.ndarray, *, in_order: bool) -> ErrorTrees:
    content = io.BytesIO()
    np.savez(content, names=np.array(names), columns=columns, errors=errors, in_order=in_order)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [*_COMMAND, str(os.getpid())],
            input=content.getvalue(),
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"learning took more than {_PATIENCE:g} s") from error
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(reason[-1][:500] if reason else f"its process ended with status {done.returncode}")
    return decode(done.stdout)
