"""Memory for bodies: never more than there is, and fair whatever who sends in which order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import BusyError
from monitor.web.ingest.body_budget import BodyBudget

LIMIT = 1200


def test_one_that_holds_its_share_leaves_room_for_another():
    budget = BodyBudget(LIMIT)
    held = [budget.reserve("greedy", lambda: None) for _ in range(3)]
    for one in held[:2]:
        one.grow(300)
    with pytest.raises(BusyError):
        held[2].grow(1)
    budget.reserve("modest", lambda: None).grow(400)


def test_one_body_is_let_in_whatever_its_size():
    BodyBudget(LIMIT).reserve("a", lambda: None).grow(10 * LIMIT)


def test_where_all_is_taken_whoever_holds_the_most_gives_way_and_a_whole_body_does_not():
    budget, refused = BodyBudget(LIMIT), []
    whole = budget.reserve("greedy", lambda: refused.append("whole"))
    whole.grow(200)
    whole.settle()
    coming = budget.reserve("greedy", lambda: refused.append("coming"))
    coming.grow(400)
    for name in "bc":
        budget.reserve(name, lambda: None).grow(300)
    budget.reserve("d", lambda: None).grow(100)
    assert refused == ["coming"]
    assert coming.is_evicted


STEPS = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 7), st.integers(1, 500)), max_size=60)


@given(STEPS)
def test_no_more_is_held_than_there_is_and_all_of_it_comes_back(steps):
    budget, bodies, alone = BodyBudget(LIMIT), {}, 0
    for sender, number, size in steps:
        key = (sender, number)
        one = bodies.setdefault(key, budget.reserve(sender, lambda: None))
        try:
            one.grow(one.size + size)
        except BusyError:
            one.release()
            del bodies[key]
        held = [body.size for body in bodies.values() if body.size]
        alone = max(held, default=0) if len(held) == 1 else 0
        assert sum(held) <= max(LIMIT, alone)
    for one in bodies.values():
        one.release()
    budget.reserve("z", lambda: None).grow(LIMIT)
