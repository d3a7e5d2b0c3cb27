"""Vectors of texts by the static model: alike texts are near, and they become columns of drift."""

import random
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from monitor.metrics import FAMILIES, MetricSettings, Subject, measure
from monitor.records import Window
from monitor.signals.calls import Calls
from monitor.signals.plugins import static_vectors
from monitor.signals.plugins.plugin import MOST_NUMBERS, Plugin, _checked
from monitor.windows import baseline
from monitor.windows.kernel.count_rows import count
from tests.support.log import STREAM
from tests.support.tables import predictions

TEXTS = ["How do I return a kettle?", "Where can I send back my toaster?", "What is a mortgage?", None, " "]


@pytest.fixture
def plugin() -> Iterator[Plugin]:
    made = Plugin("input_meaning", "monitor.signals.plugins.static_vectors:inputs", deadline=60.0)
    yield made
    made.stop()


def test_texts_about_the_same_are_near_and_empty_ones_have_no_vector(plugin: Plugin) -> None:
    assert plugin.is_ready(60.0)
    found = plugin.values(Calls.of({"input": TEXTS}).table)
    assert found.type == pa.list_(pa.float32())
    kettle, toaster, mortgage, *others = found.to_pylist()
    assert others == [None, None]
    assert len(kettle) == 256
    assert np.linalg.norm(kettle) == pytest.approx(1, abs=1e-5)
    assert np.dot(kettle, toaster) > np.dot(kettle, mortgage) + 0.1
    assert static_vectors.answers(Calls.of({"input": ["a"]}).table).to_pylist() == [None]


def test_the_vector_is_the_mean_of_those_of_its_tokens() -> None:
    tokenizer, weights = static_vectors._model()
    tokens = tokenizer.encode("kettles and toasters", add_special_tokens=False).ids
    mean = np.mean([weights[one].astype(float) for one in tokens], axis=0)
    assert static_vectors.vector("kettles and toasters") == pytest.approx(
        mean / np.linalg.norm(mean), abs=1e-3
    )
    assert static_vectors.vector("\U0001f600 \u05d0 " + "a" * 100_000) is not None


ASKED = [
    "How do I return a kettle",
    "Where is my parcel",
    "Can I send back shoes",
    "How long is the warranty",
]
OTHERS = ["What is the interest rate of a mortgage", "How do bonds work"]
NAMES = [" now", " today", " please", " quickly", " again", " then", " soon", ""]


def window(n: int, seed: int, others: float) -> pa.RecordBatch:
    """Rows of calls with the vectors of questions, of which a share is about another topic."""
    draw = random.Random(seed)
    said = [
        draw.choice(OTHERS if draw.random() < others else ASKED) + draw.choice(NAMES) + "?" for _ in range(n)
    ]
    vectors = pa.array([static_vectors.vector(one) for one in said], pa.list_(pa.float32()))
    return predictions(n, seed).append_column("signals.input_meaning", vectors)


def test_another_topic_of_questions_is_drift() -> None:
    base = baseline.from_table(STREAM, pa.Table.from_batches([window(1500, 1, 0.0)]), 0.0)

    def drift(others: float) -> float:
        profile = count(window(400, 2, others), base.layout)
        subject = Subject(STREAM, Window(0, 60), profile, base, MetricSettings())
        found = [one for one in measure(subject, FAMILIES) if one.metric == "psi"]
        return next(
            one.value
            for one in found
            if one.label("output") == "signals.input_meaning#distance" and one.value is not None
        )

    assert drift(0.5) > 0.2 > drift(0.0)


def test_vectors_of_a_plug_in_are_checked() -> None:
    sent = pa.array([[1.0, 2.0], [float("nan"), 1.0], [None, 1.0], [], None, [0.0] * (MOST_NUMBERS + 1)])
    found = _checked(sent, 6)
    assert found.type == pa.list_(pa.float32())
    assert found.to_pylist() == [[1.0, 2.0], None, None, None, None, None]
    with pytest.raises(ValueError, match="not numbers"):
        _checked(pa.array([["a"]]), 1)
