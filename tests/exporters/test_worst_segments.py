"""Which segments are exported where there are too many: the worst of each metric, whatever its scale."""

from monitor.exporters.model_samples import worst_segments
from monitor.records import Better, Measurement, Stream, Window, labels

STREAM, WINDOW = Stream("acme", "fraud"), Window(0, 60)


def measured(metric: str, value: float, segment: str, better: Better) -> Measurement:
    where = labels(segment=f"country={segment}")
    return Measurement(STREAM, WINDOW, metric, value, "", better, 100.0, where)


def test_the_worst_of_each_metric_comes_first() -> None:
    errors = {"DE": 500.0, "FR": 20.0, "IT": 400.0, "ES": 300.0}
    shares = {"DE": 0.9, "FR": 0.2, "IT": 0.8, "ES": 0.7}
    both = [measured("mae", value, name, Better.LOWER) for name, value in errors.items()]
    both += [measured("accuracy", value, name, Better.HIGHER) for name, value in shares.items()]
    assert worst_segments(both) == ["country=DE", "country=FR", "country=ES", "country=IT"]
