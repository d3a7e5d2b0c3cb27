"""Agreed targets beside the candidate's figures, judged as the daemon judges them."""

from collections.abc import Mapping

from monitor.gating.answers import WINDOW
from monitor.gating.decision import FEWEST
from monitor.gating.figures import GateFigure
from monitor.gating.records import MetricResult, TargetResult
from monitor.gating.resampling import Units, samples
from monitor.health.targets import Standing, agreed, is_least, is_short, standing
from monitor.metrics.business.target import TARGET_SHORTFALL
from monitor.records import Measurement, Stream, labels

_WORDS = {Standing.KEPT: "kept", Standing.AT_RISK: "may be missed", Standing.MISSED: "missed"}


def judge(
    figures: Mapping[str, GateFigure],
    results: Mapping[str, MetricResult],
    units: Units,
    targets: Mapping[str, float],
) -> tuple[TargetResult, ...]:
    """Each agreed target of a metric that a gate compares."""
    return tuple(
        _judged(figures[name], results[name], units, target)
        for name, target in targets.items()
        if name in figures
    )


def _judged(figure: GateFigure, compared: MetricResult, units: Units, target: float) -> TargetResult:
    name, least = compared.metric, is_least(compared.metric)
    bound = agreed(name, target, least=least)
    value, before = compared.candidate, compared.baseline
    if value is None or before is None or figure.n < FEWEST:
        why = f"not known whether {bound}: {compared.reason}"
        return TargetResult(name, figure.info.unit, target, least, Standing.UNKNOWN.value, why)
    low, high = _interval(figure, units)
    result = standing(value, low, high, target, least=least)
    is_no_worse = value >= before if least else value <= before
    is_no_news = is_short(before, target, least=least) and is_no_worse
    as_before = ", as by the baseline" if is_no_news and result is not Standing.KEPT else ""
    return TargetResult(
        name,
        figure.info.unit,
        target,
        least,
        result.value,
        f"{_WORDS[result]}{as_before}; {bound} is agreed",
        value,
        low,
        high,
        is_no_news,
    )


def _interval(figure: GateFigure, units: Units) -> tuple[float | None, float | None]:
    """The 95 % interval of the candidate's own figure."""
    assert figure.values is not None
    (drawn,) = samples(units, figure.candidate, figure.values[:1], is_smooth=figure.is_smooth)
    return (None, None) if drawn is None else (drawn.bound(0.025), drawn.bound(0.975))


def shortfalls(targets: tuple[TargetResult, ...], n: int, stream: Stream) -> list[Measurement]:
    """How far targets are missed, as the daemon measures it for the rule `TargetMissed`."""
    measured = []
    for target in targets:
        if target.value is None:
            continue
        sign = 1 if target.is_least else -1
        ends = [None if end is None else sign * (target.target - end) for end in (target.low, target.high)]
        low, high = reversed(ends) if target.is_least else ends
        info = TARGET_SHORTFALL
        value = sign * (target.target - target.value)
        where = labels(target=target.metric)
        measured.append(
            Measurement(stream, WINDOW, info.name, value, target.unit, info.better, n, where, low, high)
        )
    return measured
