"""The table of signals for engineers."""

from monitor.metrics.calls.signals import SIGNAL_MEAN, SIGNAL_RATE
from monitor.records import Better, Measurement, Stream, Window, labels
from monitor.web.pages.signals.signal_rows import of_measurements


def one(metric: str, value: float, unit: str = "", n: float = 400, **where: str) -> Measurement:
    return Measurement(
        Stream("acme", "bot"), Window(0, 3600), metric, value, unit, Better.LOWER, n, labels(**where)
    )


def test_leaks_come_first_and_the_time_to_the_first_token_is_shown_once_with_its_unit() -> None:
    rows = of_measurements(
        [
            one(SIGNAL_MEAN.name, 302.0, signal="ttft_ms"),
            one(SIGNAL_MEAN.name, 400.0, signal="ttft_ms", segment="user=a"),
            one(SIGNAL_MEAN.name, 302.0, signal="time_to_first_token"),
            one(SIGNAL_RATE.name, 0.02, "share", signal="refusal"),
            one(SIGNAL_RATE.name, 0.01, "share", signal="secret_leak"),
            one(SIGNAL_RATE.name, 0.09, "share", signal="refusal", version="8"),
            one(SIGNAL_RATE.name, 0.02, "share", signal="refusal", version="7"),
            one(SIGNAL_RATE.name, 1.0, "share", n=3, signal="refusal", version="9"),
        ]
    )
    assert [(row.name, row.value) for row in rows] == [
        ("secret_leak", "1 %"),
        ("refusal", "2 %"),
        ("ttft_ms", "302 ms"),
    ]
    assert [row.is_leaking for row in rows] == [True, False, False]
    assert rows[1].places == ("version 8: 9 %", "version 7: 2 %")
    assert "first token" in rows[2].help
