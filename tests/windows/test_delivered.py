"""The profile of a window at a site is that of all its rows, whichever epochs they were counted in."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.windows.delivered.epochs import EpochBase, of_site
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout.from_table import BARE
from monitor.windows.profile import Profile, merge, subtract
from tests.support.tables import predictions
from tests.support.thorough import examples

ROWS = st.sets(st.integers(0, 11), max_size=6)


@cache
def part(number: int) -> Profile:
    """The profile of a few rows that no other part has."""
    return count(predictions(3 + number, number), BARE)


def whole(parts: frozenset[int]) -> Profile:
    return merge([part(number) for number in sorted(parts)])


def test_a_window_of_one_epoch_is_its_last_state() -> None:
    assert of_site({"a": part(1)}, {}) == part(1)
    assert of_site({}, {}) is None


@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
def test_no_row_is_lost_or_counted_twice_whatever_the_backups_held(data: st.DataObject) -> None:
    """Epochs form a tree: each begins with a moment in the history of its parent and counts rows of its own."""
    free = list(range(12))
    histories: dict[str, list[frozenset[int]]] = {}
    parents: dict[str, tuple[str, frozenset[int]]] = {}
    for epoch in range(data.draw(st.integers(1, 5))):
        name, state = str(epoch), frozenset[int]()
        if epoch:
            parent = data.draw(st.sampled_from(sorted(histories)))
            state = data.draw(st.sampled_from(histories[parent]))
            if state:
                parents[name] = (parent, state)
        histories[name] = [state]
        for _ in range(data.draw(st.integers(0, 3))):
            if free:
                state = state | {free.pop(0)}
                histories[name].append(state)
    truth = frozenset().union(*(history[-1] for history in histories.values()))
    told = {epoch: whole(history[-1]) for epoch, history in histories.items() if history[-1]}
    bases = {epoch: EpochBase(parent, whole(state)) for epoch, (parent, state) in parents.items()}
    found = of_site(told, bases)
    assert found == (whole(truth) if truth else None)


def test_an_epoch_whose_parent_delivered_nothing_begins_with_what_the_backup_held() -> None:
    base, latest = whole(frozenset({1})), whole(frozenset({1, 2}))
    assert of_site({"b": latest}, {"b": EpochBase("a", base)}) == latest


def test_a_base_in_another_layout_replaces_and_adds_nothing() -> None:
    latest = whole(frozenset({1, 2}))
    assert of_site({"a": whole(frozenset({1})), "b": latest}, {"b": EpochBase("a", None)}) == latest


def test_what_is_not_in_a_profile_cannot_be_taken_out() -> None:
    with pytest.raises(ValueError, match="does not have"):
        subtract(part(1), [part(9)])
    rest = subtract(merge([part(1), part(2)]), [part(2)])
    assert rest.rows == part(1).rows
    assert (rest.overall.counts == part(1).overall.counts).all()
    assert (rest.overall.sums == part(1).overall.sums).all()
