"""Functions of others run in a process of their own: what they do there is told, and stops nothing."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from monitor.signals.calls import Calls
from monitor.signals.plugins.plugin import SET_ASIDE, Plugin, PluginError
from monitor.signals.plugins.plugin_names import BUILT_IN
from monitor.signals.registry import SIGNALS, measure
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
    made.append(Plugin("mine", f"{HERE}:{function}", **{"deadline": 60.0, **options}))  # type: ignore[arg-type]
    assert made[-1].is_ready(60.0)
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
        ("too_few", "returned 1 value for 3 calls"),
        ("words", "values of type string, not numbers"),
        ("dies", "its process ended"),
    ],
)
def test_a_plug_in_that_fails_is_set_aside_and_tells_why(
    function: str, reason: str, made: list[Plugin]
) -> None:
    now = [0.0]
    failing = Plugin("mine", f"{HERE}:{function}", deadline=60.0, clock=lambda: now[0])
    made.append(failing)
    assert failing.is_ready(60.0)
    with pytest.raises(PluginError, match=reason):
        failing.values(CALLS.table)
    with pytest.raises(PluginError, match=f"set aside: .*{reason}"):
        failing.values(CALLS.table)
    now[0] = SET_ASIDE
    assert failing.values(CALLS.table).null_count == 3, "its process starts again"
    assert failing.is_ready(60.0)
    with pytest.raises(PluginError, match=rf"\(.*{reason}"):
        failing.values(CALLS.table)
    now[0] += 2 * SET_ASIDE - 1
    with pytest.raises(PluginError, match="set aside"):
        failing.values(CALLS.table)


def test_a_function_that_cannot_be_loaded_is_told() -> None:
    for target, reason in (
        (f"{HERE}:missing", "AttributeError"),
        ("no_such_package:f", "ModuleNotFoundError"),
    ):
        with pytest.raises(PluginError, match=reason):
            Plugin("mine", target).is_ready(60.0)


def test_a_plug_in_that_hangs_is_ended_at_its_deadline(made: list[Plugin]) -> None:
    hanging = plugin(made, "hangs", deadline=1.0)
    with pytest.raises(PluginError, match="did not answer within 1 s"):
        hanging.values(CALLS.table)
    assert hanging._process is None


def test_numbers_that_are_none_are_not_measured(made: list[Plugin]) -> None:
    assert plugin(made, "odd_numbers").values(CALLS.table).to_pylist() == [None, None, 1.5]


@pytest.mark.parametrize(
    ("name", "target"),
    [("Mine", "a:b"), ("mine", "a.b"), ("mine", "a:b; rm"), ("", "a:b")],
)
def test_names_that_cannot_be_are_refused(name: str, target: str) -> None:
    with pytest.raises(ValueError, match=r"signal|function"):
        Plugin(name, target)


def test_the_name_of_a_built_in_signal_is_refused() -> None:
    assert {one.name for one in SIGNALS} == BUILT_IN
    for name in BUILT_IN:
        with pytest.raises(ValueError, match=f"a signal '{name}' is built in"):
            Plugin(name, "a:b")
