"""What `watchkeeper size` says: the measured figures where it was measured, laws in between, and its page."""

import json
import re
import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from monitor.cli.registry import app
from monitor.config.units import DAY, MINUTE
from monitor.errors import InputError
from monitor.sizing import Load, estimate, figures
from monitor.sizing.estimate import total
from monitor.sizing.figures import GRID, Kept
from tests.support.daemon import ROOT

PAGE = (ROOT / "docs" / "hardware.md").read_text()
SHOWN = re.findall(r"```console\n\$ watchkeeper (size [^\n]*)\n(.*?)```", PAGE, re.S)
PARTS = ("processor", "memory", "disk", "postgresql")


def load(models: int = 1, rate: float = 1.0, features: int = 10, days: float = 30.0) -> Load:
    return Load(models, rate, features, days * DAY, 400.0 * DAY, 60.0 * DAY)


def amounts(found: Load) -> list[float]:
    result = estimate(found)
    return [total(getattr(result, name)) for name in PARTS]


@pytest.mark.parametrize("kept", GRID, ids=lambda kept: f"{kept.rows}x{kept.features}")
def test_where_it_was_measured_the_disk_is_what_was_measured(kept: Kept) -> None:
    found = estimate(load(1, kept.rows / MINUTE, int(kept.features)))
    day = kept.row * kept.rows * 1440
    expected = [
        30 * day,
        400 * 1440 * kept.profiles,
        400 * 1440 * kept.hourly,
        60 * 1440 * (kept.fine + kept.sums),
    ]
    assert [part.amount / figures.SQLITE_OVERHEAD for part in found.disk] == pytest.approx(expected)
    assert found.processor[2].amount * MINUTE * 1000 == pytest.approx(kept.cpu)


@given(
    st.integers(1, 2000),
    st.floats(1e-4, 5000),
    st.integers(1, 2000),
    st.sampled_from(["models", "rate", "features", "days"]),
)
@example(1, 200.0, 50, "rate")
@example(1, 1e-4, 1, "features")
@example(1, 2000.0, 3, "models")
def test_law_more_of_anything_never_needs_less(models: int, rate: float, features: int, more: str) -> None:
    base = {"models": models, "rate": rate, "features": features, "days": 30}
    less, greater = amounts(load(**base)), amounts(load(**base | {more: base[more] * 2}))  # type: ignore[arg-type]
    assert all(0 < a <= b * (1 + 1e-9) for a, b in zip(less, greater, strict=True))
    assert all(part.amount > 0 for part in estimate(load(**base)).processor)  # type: ignore[arg-type]


def test_twice_the_models_need_twice_the_disk() -> None:
    assert amounts(load(6, 40.0))[2] == pytest.approx(2 * amounts(load(3, 40.0))[2])


@pytest.mark.parametrize(("rate", "cost"), figures.SINGLES)
def test_single_records_cost_what_was_measured_at_their_rate(rate: float, cost: float) -> None:
    assert estimate(load(1, rate)).processor[1].amount == pytest.approx(rate * cost * 1e-6)
    assert estimate(load(4, rate / 4)).processor[1].amount == pytest.approx(rate * cost * 1e-6)


def test_it_says_where_its_figures_end() -> None:
    assert not estimate(load(20, 5.0, 40)).cautions
    words = " ".join(estimate(load(2000, 500.0, 400)).cautions)
    for told in ("uses one core", "Extrapolated", "up to 1,000 models", "Divide the models among"):
        assert told in words
    assert "smaller than those" in " ".join(estimate(load(1, 0.01)).cautions)


@pytest.mark.parametrize(
    ("models", "rate", "features"), [(0, 1.0, 1), (1, 0.0, 1), (1, 1.0, -4), (10**10, 1.0, 1)]
)
def test_absurd_numbers_are_refused(models: int, rate: float, features: int) -> None:
    with pytest.raises(InputError):
        load(models, rate, features)


@pytest.mark.parametrize(
    "rate",
    [
        "",
        "50",
        "50/y",
        "-1/s",
        "1e9/s",
        "nan/s",
        "50/s\n",
        "\u0663/s",
        "1" * 10_000 + "/s",
        "5\r/s",
        "\u202e5/s",
    ],
)
def test_a_rate_without_a_unit_or_a_number_is_refused(rate: str) -> None:
    done = CliRunner().invoke(app, ["size", "--models", "1", f"--rate={rate}"])
    assert isinstance(done.exception, InputError)
    assert len(str(done.exception)) < 200
    assert "\r" not in str(done.exception)


def test_a_rate_is_the_same_in_every_unit() -> None:
    def of(rate: str) -> object:
        return json.loads(
            CliRunner().invoke(app, ["size", "--models", "2", "--rate", rate, "--json"]).stdout
        )["parts"]

    assert of("2/s") == of("120/m") == of("7200/h") == of("172800/d")


def test_the_page_shows_what_the_command_prints() -> None:
    assert len(SHOWN) >= 3
    for command, shown in SHOWN:
        done = CliRunner().invoke(app, shlex.split(command))
        assert done.stdout == shown, f"docs/hardware.md is out of date: watchkeeper {command}"


def test_the_figures_of_the_performance_page_are_on_it() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    for one in figures.MEASUREMENTS:
        assert one.source.startswith(("docs/performance.md", "docs/hardware.md")), one.what
    for words in (
        "201 to 224 µs",
        "8.8 to 11.0 µs",
        "168 MB",
        "about 0.5 MB",
        "430 to 610 MB",
        "209 MB at most",
    ):
        assert words in text
