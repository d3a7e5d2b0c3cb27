"""Blocks: the same measurements as one by one, made when they are asked for."""

import pickle

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.measurement_table import ConcatenatedTables, MeasurementTable, merge_tables, table_of, valued
from monitor.records import Better, Measurement, Window, labels
from tests.support.log import STREAM
from tests.support.thorough import examples

WINDOW = Window(0, 60)
_floats = st.floats(allow_nan=False)
_maybe = st.none() | _floats
_quick = settings(max_examples=examples(25))


@st.composite
def measurements(draw) -> list[Measurement]:
    """Measurements with any figures, and a reason where the value is missing."""
    found = []
    for _ in range(draw(st.integers(0, 6))):
        value = draw(_maybe)
        found.append(
            Measurement(
                STREAM, WINDOW, draw(st.sampled_from("abc")), value, "share", draw(st.sampled_from(Better)),
                draw(st.integers(0, 9)), labels(feature=draw(st.sampled_from(["", "x", "y"]))),
                draw(_maybe), draw(_maybe), draw(_maybe), draw(_maybe), "" if value is not None else "few rows",
            )
        )  # fmt: skip
    return found


def of_metric(found: list[Measurement], metric: str) -> list[Measurement]:
    return [m for m in found if m.metric == metric]


@_quick
@given(measurements())
def test_a_block_gives_back_what_it_was_made_from(found):
    block = table_of(STREAM, WINDOW, found)
    assert list(block) == found
    assert block[:] == found
    assert [block[at] for at in range(-len(found), len(found))] == found + found
    for metric in "abcd":
        assert list(block.of(metric)) == of_metric(found, metric)


@_quick
@given(measurements())
def test_a_packed_block_has_all_bits_of_its_figures(found):
    block = table_of(STREAM, WINDOW, found)
    packed = block.packed()
    assert packed.figures.tobytes() == block.figures.tobytes()
    assert list(packed) == found
    assert list(pickle.loads(pickle.dumps(packed))) == found


@_quick
@given(st.lists(measurements(), min_size=1, max_size=4))
def test_joined_blocks_and_gathered_parts_hold_all_in_order(parts):
    everything = [m for part in parts for m in part]
    blocks = [table_of(STREAM, WINDOW, part) for part in parts]
    for whole in (merge_tables(blocks), ConcatenatedTables(blocks), ConcatenatedTables(parts)):
        assert list(whole) == everything
        assert len(whole) == len(everything)
        for metric in "abcd":
            assert list(whole.of(metric)) == of_metric(everything, metric)


@_quick
@given(measurements(), measurements())
def test_what_has_a_value_and_is_not_known_is_found_in_any_form(found, others):
    known = {(m.metric, m.labels) for m in others}
    wanted = [m for m in found if m.value is not None and (m.metric, m.labels) not in known]
    block = table_of(STREAM, WINDOW, found)
    for whole in (found, block, ConcatenatedTables([block]), ConcatenatedTables([found])):
        assert list(valued(whole, known)) == wanted


def test_windows_with_the_same_measurements_share_one_shape():
    def block(value: float) -> MeasurementTable:
        return table_of(STREAM, WINDOW, [Measurement(STREAM, WINDOW, "psi", value)])

    assert block(1.0).shape is block(2.0).shape
    one, other = merge_tables([block(1.0), block(2.0)]), merge_tables([block(3.0), block(4.0)])
    assert one.shape is other.shape
    assert [m.value for m in one] == [1.0, 2.0]
