"""Functions of others run in a process of their own: what they do there is told, and stops nothing."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from monitor.errors import InputError
from monitor.signals.calls import Calls
from monitor.signals.plugins.plugin import SET_ASIDE, Plugin, PluginError
from monitor.signals.registry import measure
from monitor.signals.signal import Unit

CALLS = Calls.of({"output": ["abcd", None, "x"]})
HERE = "tests.signals.plugins.functions"


@pytest.fixture
def made() -> Iterator[list[Plugin]]:
    plugins: list[Plugin] = []
    yield plugins
    for one in plugins:
        one.stop()


def plugin(made: list[Plugin], function: str, **options: float) -> Plugin:
    made.append(Plugin("mine", f"{HERE}:{function}", **options))  # type: ignore[arg-type]
    return made[-1]


def test_numbers_and_flags_become_columns_and_one_process_answers_again(made: list[Plugin]) -> None:
    mine = plugin(made, "length")
    for _ in range(2):
        table = measure(CALLS, signals=[mine.signal()])
        assert table.to_pydict() == {"mine": [4.0, None, 1.0]}
    flags = plugin(made, "is_short").signal(Unit.FLAG)
    assert measure(CALLS, signals=[flags])["mine"].combine_chunks() == pa.array([False, None, True])


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("raises", "RuntimeError: no model here"),
        ("too_few", "returned 1 values for 3 calls"),
        ("words", "values of type string, not numbers"),
        ("dies", "its process ended"),
        ("missing", "AttributeError"),
    ],
)
def test_a_plug_in_that_fails_is_set_aside_and_tells_why(
    function: str, reason: str, made: list[Plugin]
) -> None:
    now = [0.0]
    made.append(Plugin("mine", f"{HERE}:{function}", clock=lambda: now[0]))
    with pytest.raises(PluginError, match=reason):
        made[-1].values(CALLS.table)
    with pytest.raises(PluginError, match=f"set aside: .*{reason}"):
        made[-1].values(CALLS.table)
    now[0] = SET_ASIDE
    with pytest.raises(PluginError, match=rf"\(.*{reason}"):
        made[-1].values(CALLS.table)


def test_a_plug_in_that_hangs_is_ended_at_its_deadline(made: list[Plugin]) -> None:
    hanging = plugin(made, "hangs", deadline=1.0)
    with pytest.raises(PluginError, match="did not answer within 1 s"):
        hanging.values(CALLS.table)
    assert hanging._process is None


def test_numbers_that_are_none_are_not_measured(made: list[Plugin]) -> None:
    assert plugin(made, "odd_numbers").values(CALLS.table).to_pylist() == [None, None, 1.5]


@pytest.mark.parametrize(
    ("name", "target"), [("Mine", "a:b"), ("mine", "a.b"), ("mine", "a:b; rm"), ("", "a:b")]
)
def test_names_that_cannot_be_are_refused(name: str, target: str) -> None:
    with pytest.raises(InputError):
        Plugin(name, target)
