"""One thing that fails is set aside with its reason; everything beside it goes on."""

import sqlite3

import pytest
from sqlalchemy.exc import DataError, OperationalError

from monitor.clock import ManualClock
from monitor.errors import StoreError
from monitor.runtime.faults import LASTS, LONGEST_REASON, MOST, Faults

START = 1_700_000_000.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def faults(clock: ManualClock) -> Faults:
    return Faults(clock.now, clock.now)


def work(faults: Faults, values: list[str]) -> list[float]:
    done = []
    for value in values:
        with faults.isolate("row", value):
            done.append(float(value))
    return done


def test_what_raises_is_left_out_and_named_with_its_reason(faults: Faults) -> None:
    assert work(faults, ["1", "x", "2"]) == [1.0, 2.0]
    (fault,) = faults.active()
    assert (fault.part, fault.subject, fault.since, fault.count) == ("row", "x", START, 1)
    assert fault.reason == "ValueError: could not convert string to float: 'x'"


def test_it_is_over_when_it_works_again(faults: Faults) -> None:
    work(faults, ["x"])
    with faults.isolate("row", "x"):
        pass
    assert faults.active() == []


def test_what_is_not_tried_again_is_over_after_a_while_and_what_comes_again_keeps_its_beginning(
    faults: Faults, clock: ManualClock
) -> None:
    work(faults, ["x"])
    clock.advance(LASTS)
    work(faults, ["x"])
    clock.advance(LASTS)
    (fault,) = faults.active()
    assert (fault.since, fault.count) == (START, 2)
    clock.advance(1)
    assert faults.active() == []


@pytest.mark.parametrize(
    "error",
    [StoreError("gone"), OperationalError("s", {}, OSError()), sqlite3.OperationalError("disk full")],
)
def test_a_store_that_is_gone_is_not_the_rows_fault(faults: Faults, error: Exception) -> None:
    with pytest.raises(type(error)), faults.isolate("row", "x"):
        raise error
    assert faults.active() == []


def test_an_error_of_the_database_inside_a_transaction_goes_up_and_outside_is_set_aside(
    faults: Faults,
) -> None:
    spoiled = DataError("insert secret", {"secret": 1}, ValueError("NUL"))
    with pytest.raises(DataError), faults.isolate("row", "x", in_transaction=True):
        raise spoiled
    with faults.isolate("row", "x"):
        raise spoiled
    assert [fault.reason for fault in faults.active()] == ["ValueError: NUL"]  # neither statement nor values


def test_reasons_and_numbers_of_faults_have_a_limit(faults: Faults) -> None:
    for number in range(MOST + 5):
        faults.report("row", str(number), "x" * 2 * LONGEST_REASON)
    present = faults.active()
    assert len(present) == MOST
    assert {len(fault.reason) for fault in present} == {LONGEST_REASON}
