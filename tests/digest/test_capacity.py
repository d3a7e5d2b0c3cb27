"""When the disk is full, from how it filled; nothing where that is not known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.units import DAY, HOUR
from monitor.digest.capacity import DiskForecast, Measured, resource_notes
from monitor.health.settings import ClientSettings
from monitor.records import Measurement, Stream, Window, labels

TOTAL = 1000.0


def watched(used: list[float], every: float = HOUR, total: float = TOTAL) -> str:
    seen = iter(used)
    forecast = DiskForecast(lambda: (next(seen), total))
    for number in range(len(used)):
        forecast.look(1e9 + number * every)
    return forecast.words()


def test_a_disk_that_fills_is_told_with_the_time_that_is_left() -> None:
    assert watched([500 + 5 * hour for hour in range(25)]) == (
        "The disk of the monitoring is 62 % full. As it grew in the last 1 d, it will be full in 3 d 4 h."
    )


@pytest.mark.parametrize(
    ("used", "words"),
    [
        ([], ""),
        ([500.0], ""),
        ([500.0, 600.0], ""),  # an hour only
        ([500.0] * 25, ""),
        ([600.0, 550.0, 500.0, 450.0], ""),
        ([950.0], "The disk of the monitoring is 95 % full."),
        ([950.0, 940.0, 930.0, 920.0], "The disk of the monitoring is 92 % full."),
        ([500 + 0.01 * hour for hour in range(25)], ""),  # full in years
    ],
)
def test_what_is_not_known_or_far_away_is_not_told(used: list[float], words: str) -> None:
    assert watched(used) == words


def test_only_the_last_day_counts_and_a_larger_disk_begins_anew() -> None:
    forecast = DiskForecast(lambda: usage)
    for hour in range(49):
        usage = (500.0 if hour < 24 else 400.0 + 5 * hour, TOTAL)
        forecast.look(hour * HOUR)
    assert "it will be full in" in forecast.words()
    usage = (649.0, 2 * TOTAL)
    forecast.look(49 * HOUR)
    assert forecast.words() == ""


@given(st.lists(st.tuples(st.floats(-DAY, 30 * DAY), st.floats(0, TOTAL)), max_size=30))
def test_law_it_never_fails_and_never_promises_a_past(looks: list[tuple[float, float]]) -> None:
    used = 0.0
    forecast = DiskForecast(lambda: (used, TOTAL))
    for at, now_used in looks:
        used = now_used
        forecast.look(at)
        assert "-" not in forecast.words()


NOTED = Stream("acme", "fraud", "production")


def measured(*found: tuple[str, float | None, float | None], stream: Stream = NOTED) -> Measured:
    """Resources with the share that is used, and the hours that are left; a resource without a forecast has neither."""
    measurements = []
    for resource, used, left in found:
        where = labels(gauge="machine/gpu-1", resource=resource)
        window = Window(0, 300)
        measurements.append(Measurement(stream, window, "resource_used_share", used, "share", labels=where))
        if not resource.startswith("cpu"):
            measurements.append(
                Measurement(stream, window, "resource_hours_left", left, "hours", labels=where)
            )
    return {(stream, 0): measurements}


def notes(of: Measured) -> list[str]:
    return resource_notes(of, "acme", ClientSettings())


def test_resources_that_will_be_full_soon_are_told_the_most_urgent_first() -> None:
    assert notes(measured(("disk:/data", 0.7, 100.0), ("memory", 0.95, None), ("disk:/", 0.8, 5.0))) == [
        "Fraud: disk:/ of machine/gpu-1 is 80 % full. At this rate it will be full in 5 h.",
        "Fraud: disk:/data of machine/gpu-1 is 70 % full. At this rate it will be full in 4 d 4 h.",
        "Fraud: memory of machine/gpu-1 is 95 % full.",
    ]


@pytest.mark.parametrize(
    "of",
    [
        {},
        measured(("disk:/", 0.5, None)),
        measured(("disk:/", 0.5, 15 * 24.0)),
        measured(("disk:/", None, 1.0)),
        measured(("cpu", 0.99, None)),
        measured(("disk:/", 0.99, 1.0), stream=Stream("umbrella", "fraud", "production")),
        measured(("disk:/", 0.99, 1.0), stream=Stream("acme", "fraud", "staging")),
    ],
)
def test_what_is_far_away_unknown_or_of_others_is_not_told(of: Measured) -> None:
    assert notes(of) == []


def test_of_many_resources_the_most_urgent_are_told() -> None:
    many = measured(*((f"disk:/{n}", 0.9, 300.0 - n) for n in range(20)))
    assert [one.partition(" is ")[0] for one in notes(many)] == [
        f"Fraud: disk:/{n} of machine/gpu-1" for n in range(19, 14, -1)
    ]
