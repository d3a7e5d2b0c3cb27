"""Relations of columns: which are chosen on a baseline, and that they are counted as a loop over rows would."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import build, from_table
from monitor.windows.layout.edges import label_cells, score
from monitor.windows.layout.layout import FIRST_LABEL, Column, ColumnKind, Layout
from monitor.windows.profile import merge
from tests.support.thorough import examples

NAME = "relation of age and amount"


def table(rows: int, correlation: float = 0.6, seed: int = 1) -> pa.Table:
    age, noise, other = np.random.default_rng(seed).standard_normal((3, rows))
    amount = correlation * age + math.sqrt(1 - correlation**2) * noise
    return pa.table({"features.age": age, "features.amount": np.exp(amount), "features.other": other})


@pytest.fixture(scope="module")
def layout() -> Layout:
    return from_table.of(table(4000), with_relations=True)


def test_the_strongest_pairs_of_a_baseline_are_chosen_and_unrelated_ones_are_not(layout):
    assert [column.name for column in layout.relations] == [NAME]
    assert NAME not in [column.name for column in layout.features + layout.watched + layout.core_columns]
    assert not from_table.of(table(4000)).relations
    assert not from_table.of(table(150), with_relations=True).relations


def test_a_layout_with_relations_survives_storing_and_one_without_keeps_its_identity(layout):
    assert build.decode(build.encode(layout)).id == layout.id
    columns = [column for column in layout.columns if not column.other]
    plain = from_table.of(table(4000))
    assert [column.name for column in columns] == [column.name for column in plain.columns]
    assert build.decode(build.encode(plain)).id == plain.id != layout.id


@pytest.fixture(scope="module")
def three() -> Layout:
    """Each of three columns is related to both others."""
    rows = table(4000, 0.8)
    third = 0.8 * rows.column("features.age").to_numpy() + 0.6 * rows.column("features.other").to_numpy()
    return from_table.of(rows.append_column("features.third", pa.array(third)), with_relations=True)


def test_a_layout_without_relations_keeps_the_identity_that_earlier_versions_gave_it():
    colour = Column(
        "features.colour", ColumnKind.CATEGORY, labels=("red", "blue"), cells=label_cells(2), novelty=0.25
    )
    assert build.assemble([score("confidence")], [colour], ["a note"]).id == "dd0556af6309bdf1"


_cell = st.none() | st.floats() | st.sampled_from([0.0, -1.0, 1.0, 1e308, -1e308, math.inf, -math.inf])
_row = st.tuples(_cell, _cell, _cell, st.sampled_from([0.5, 1.0, 3.0]))
_RELATED = ("features.age", "features.amount", "features.third")


def batch_of(rows: list[tuple[float | None, ...]], *, is_weighted: bool, as_texts: str) -> pa.RecordBatch:
    columns = {
        name: pa.array(values, pa.float64())
        for name, values in zip(_RELATED, zip(*rows, strict=True), strict=False)
    }
    if as_texts:
        texts = [None if value is None else repr(value) for value in columns[as_texts].to_pylist()]
        columns[as_texts] = pa.array(texts, pa.string()).dictionary_encode()
    if is_weighted:
        columns["weight"] = pa.array([row[3] for row in rows], pa.float64())
    return pa.RecordBatch.from_pydict(columns)


@settings(max_examples=examples(40), deadline=None)
@given(
    st.lists(_row, min_size=1, max_size=80),
    st.integers(0, 80),
    st.booleans(),
    st.sampled_from(["", "", *_RELATED]),
)
def test_counts_are_those_of_a_loop_and_of_the_parts(three, rows, cut, is_weighted, as_texts):
    batch = batch_of(rows, is_weighted=is_weighted, as_texts=as_texts)
    whole = count(batch, three)
    assert len(three.relations) == 4
    for relation in three.relations:
        if "features.other" in (relation.source, relation.other):
            continue
        one, other = (_RELATED.index(name) for name in (relation.source, relation.other))
        expected = [0.0, 0.0]
        for row in rows:
            values = row[one], row[other]
            if all(value is not None and value == value for value in values):
                opposite = (values[0] > relation.edges[0]) != (values[1] > relation.edges[1])
                expected[int(opposite)] += row[3] if is_weighted else 1.0
        counts = whole.overall.counts[relation.span]
        assert counts[FIRST_LABEL : FIRST_LABEL + 2].tolist() == expected
        assert counts.sum() == sum(expected)
    parts = merge([count(batch.slice(0, cut), three), count(batch.slice(cut), three)])
    assert np.array_equal(parts.overall.counts, whole.overall.counts)


def test_many_rows_are_counted_as_few_are(layout):
    rows = table(5000, seed=2).to_batches()[0]
    holes = np.random.default_rng(3).random(5000) < 0.1
    with_holes = rows.set_column(0, "features.age", pa.array(rows.column(0).to_numpy(), mask=holes))
    for batch in (rows, with_holes):
        whole = count(batch, layout).overall.counts
        for size in (500, 2003):
            slices = [count(batch.slice(at, size), layout) for at in range(0, 5000, size)]
            assert np.array_equal(whole, merge(slices).overall.counts)
    assert whole[layout.column(NAME).span].sum() == (~holes).sum()
    whole = count(rows, layout).overall.counts
    relation = layout.column(NAME)
    same, opposite = whole[relation.span][FIRST_LABEL : FIRST_LABEL + 2]
    assert same + opposite == 5000
    assert abs(same / 5000 - (0.5 + math.asin(0.6) / math.pi)) < 0.03


def labelled(rows: int, seed: int = 4) -> pa.Table:
    rng = np.random.default_rng(seed)
    colours = np.array(["red", "blue", "green", "rare"])[rng.choice(4, rows, p=[0.5, 0.3, 0.18, 0.02])]
    regions = np.array(["north", "south"])[rng.choice(2, rows, p=[0.4, 0.6])]
    holes = rng.random(rows) < 0.1
    return pa.table(
        {
            "features.age": rng.standard_normal(rows),
            "features.colour": pa.array(colours, mask=holes),
            "features.flag": rng.random(rows) < 0.5,
            "segments.region": regions,
        }
    )


def test_a_number_is_related_to_common_labels_of_features_and_segments_and_counted_as_in_a_loop():
    found = from_table.of(labelled(4000), with_relations=True)
    said = {(one.source, one.other, one.part) for one in found.relations}
    assert {one[1:] for one in said} == {
        ("features.colour", "red"),
        ("features.colour", "blue"),
        ("features.colour", "green"),
        ("features.flag", next(part for _, name, part in said if name == "features.flag")),
        ("segments.region", "south"),
    }
    assert build.decode(build.encode(found)).id == found.id
    later = labelled(3000, seed=5)
    for weights in (None, np.random.default_rng(6).choice([0.5, 1.0, 2.0], 3000)):
        rows = later if weights is None else later.append_column("weight", pa.array(weights))
        batch = rows.combine_chunks().to_batches()[0]
        whole = count(batch, found).overall.counts
        for relation in found.relations:
            expected = [0.0, 0.0]
            ages, labels = (batch.column(name).to_pylist() for name in (relation.source, relation.other))
            for place, (age, label) in enumerate(zip(ages, labels, strict=True)):
                if label is not None:
                    is_it = str(label).lower() == relation.part.lower()
                    opposite = (age > relation.edges[0]) != is_it
                    expected[int(opposite)] += 1.0 if weights is None else weights[place]
            places = whole[relation.span]
            assert places[FIRST_LABEL : FIRST_LABEL + 2].tolist() == expected
            assert places.sum() == sum(expected)
        parts = merge([count(batch.slice(0, 700), found), count(batch.slice(700), found)])
        assert np.array_equal(parts.overall.counts, whole)


def test_a_batch_without_the_labels_counts_nothing():
    found = from_table.of(labelled(4000), with_relations=True)
    counts = count(pa.record_batch({"features.age": [1.0, 2.0]}), found).overall.counts
    assert sum(counts[one.span].sum() for one in found.relations) == 0


def test_a_batch_without_one_of_the_columns_counts_nothing(layout):
    rows = pa.record_batch({"features.age": [1.0, 2.0]})
    assert count(rows, layout).overall.counts[layout.column(NAME).span].sum() == 0
