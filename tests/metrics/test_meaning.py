"""Embeddings: another mix of topics moves the distance from the baseline's centre, and the same mix does not."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from monitor.metrics import MetricSettings, Subject, measure
from monitor.records import Window
from monitor.windows import baseline
from monitor.windows.baseline import Baseline
from monitor.windows.kernel.count_rows import count
from tests.support.tables import STREAM

SIZE = 256
RNG = np.random.default_rng(20261129)
TOPICS = RNG.normal(0, 1, (8, SIZE))
USUAL = (0, 1, 2, 3)


def table(topics: tuple[int, ...], n: int) -> pa.Table:
    """Unit vectors around some topics, as an embedding model returns them."""
    around = TOPICS[RNG.choice(topics, n)] + RNG.normal(0, 1, (n, SIZE))
    vectors: npt.NDArray[np.float64] = around / np.linalg.norm(around, axis=1, keepdims=True)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), SIZE)
    return pa.table({"timestamp": pa.array(range(n), pa.int64()), "features.question_embedding": lists})


@pytest.fixture(scope="module")
def usual() -> Baseline:
    return baseline.from_table(STREAM, table(USUAL, 4000), 0.0)


@pytest.mark.parametrize(
    ("topics", "least", "most"),
    [(USUAL, 0.0, 0.05), (USUAL * 2 + (5,) * 4, 0.45, 0.75), ((4, 5, 6, 7), 2.0, float("inf"))],
)
def test_a_new_topic_moves_the_distance(
    topics: tuple[int, ...], least: float, most: float, usual: Baseline
) -> None:
    [rows] = table(topics, 1000).combine_chunks().to_batches()
    subject = Subject(STREAM, Window(0, 3600), count(rows, usual.layout), usual, MetricSettings())
    psi = {one.label("feature"): one.value for one in measure(subject) if one.metric == "psi"}
    assert least <= (psi["question_embedding#distance"] or 0.0) < most
    assert len([name for name in psi if name.startswith("question_embedding#projection")]) == 4
