"""How good lists of items are, by the items that were chosen from them: hit rate, precision, recall, MAP, MRR, NDCG."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from monitor.metrics import intervals
from monitor.metrics.intervals import Interval, Z
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.metrics.settings import Ranking
from monitor.predictions.log.item_lists import MOST_KNOWN
from monitor.records import Better, Labels, Measurement, labels
from monitor.visible import counted
from monitor.windows.kernel import ranking_counts as counts
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
_NEEDS = "`ranking`, outcomes with `relevant`"


def _info(name: str, about: str, formula: str, source: str = "") -> MetricInfo:
    return MetricInfo(name, "share", Better.HIGHER, about, _WHERE, formula, _NEEDS, source)


HIT_RATE = _info(
    "hit_rate_at_k", "Share of the lists with at least one relevant item among the first k.",
    "lists with a relevant item in their first k / lists, Wilson interval", "Wilson 1927",
)  # fmt: skip
PRECISION = _info(
    "precision_at_k", "Share of the first k places that hold a relevant item.",
    "mean over lists (relevant items in the first k / k)",
)  # fmt: skip
RECALL = _info(
    "recall_at_k", "Share of the relevant items that are among the first k.",
    "mean over lists with a relevant item (relevant items in the first k / relevant items)",
)  # fmt: skip
MAP = _info(
    "map_at_k", "Mean average precision: precision at each relevant item, over all relevant items.",
    "mean over lists with a relevant item (sum of precision at each relevant item in the first k / relevant items)",
    "Buckley and Voorhees 2000",
)  # fmt: skip
MRR = _info(
    "mrr_at_k", "Mean reciprocal rank of the first relevant item among the first k; 0 without one.",
    "mean over lists (1 / place of the first relevant item)", "Voorhees 1999",
)  # fmt: skip
NDCG = _info(
    "ndcg_at_k", "Normalized discounted cumulative gain: 1 is the best order of all relevant items.",
    "mean over lists with a relevant item (DCG / DCG of the best list); DCG sums grade / log2(place + 1) to place k",
    "Järvelin and Kekäläinen 2002",
)  # fmt: skip
ELSEWHERE = MetricInfo(
    "relevant_elsewhere", "share", Better.NONE, "Share of the relevant items that the list did not have at any place.",
    _WHERE, "relevant items outside of their list / relevant items", _NEEDS,
)  # fmt: skip
DECLINE = MetricInfo(
    "ranking_decline", "share", Better.LOWER,
    "By how much a figure of lists is below the baseline's, relative to it; below 0 it is above.",
    ("of", *_WHERE), "1 - value / baseline's value; interval by the delta method, of both", _NEEDS + ", a baseline",
)  # fmt: skip
INFO = (HIT_RATE, PRECISION, RECALL, MAP, MRR, NDCG, ELSEWHERE, DECLINE)
_FIGURES = {
    counts.HIT: HIT_RATE,
    counts.PRECISION: PRECISION,
    counts.RECALL: RECALL,
    counts.AVERAGE_PRECISION: MAP,
    counts.RECIPROCAL_RANK: MRR,
    counts.NDCG: NDCG,
}
DECLINING = (counts.HIT, counts.NDCG)
"""The figures whose decline is measured."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over `n` lists, and the variance of single lists."""

    value: float
    variance: float
    n: float


def ranking_of(subject: Subject) -> Ranking:
    """How the lists of the model are judged."""
    return subject.settings.rankings.get((subject.stream.client, subject.stream.model), Ranking())


def mean_of(part: Slice, figure: str, k: int) -> Mean | None:
    """A figure of the lists of a slice; None if no list has it."""
    n = part.total(counts.WITH_RELEVANT if figure in counts.OF_RELEVANT else counts.JUDGED)
    if n <= 0:
        return None
    total, squares = part.total(counts.sum_of(figure, k)), part.total(counts.square_of(figure, k))
    return Mean(min(max(total / n, 0.0), 1.0), intervals.variance_of(total, squares, n), n)


def measure(subject: Subject) -> Iterator[Measurement]:
    """The figures of all lists, by version and by segment; nothing of a model that sends none."""
    total = subject.profile.overall.total
    if not any(map(total, (counts.LISTS, counts.JUDGED, counts.TOO_MANY))):
        return
    k = ranking_of(subject).k
    for where, part, base in subject.scopes():
        for figure, info in _FIGURES.items():
            yield from _measured(subject, figure, info, k, where, part, base)
        yield from _elsewhere(subject, where, part, base)


def _measured(
    subject: Subject, figure: str, info: MetricInfo, k: int, where: Labels, part: Slice, base: Slice | None
) -> Iterator[Measurement]:
    mean, needed = mean_of(part, figure, k), subject.settings.min_outcomes
    n = 0.0 if mean is None else mean.n
    if mean is None or n < needed:
        what = "lists with a relevant item" if figure in counts.OF_RELEVANT else "lists with outcomes"
        yield subject.not_measured(info, _too_few(part, n, needed, what), n, where=where)
        return
    usual = None if base is None else mean_of(base, figure, k)
    usual = None if usual is None or usual.n < needed else usual
    yield subject.ok(
        info, mean.value, n, where=where, interval=_interval(figure, mean),
        baseline=None if usual is None else usual.value,
    )  # fmt: skip
    if figure in DECLINING and usual is not None:
        yield _decline(subject, info, mean, usual, where)


def _too_few(part: Slice, n: float, needed: int, what: str) -> str:
    """Why there is no figure; with the lists that are not judged, where there are any."""
    reason = too_few(n, needed, what)
    if too_long := part.total(counts.TOO_MANY):
        reason += f"; {counted(int(too_long), 'list')} with more than {MOST_KNOWN:,} chosen items left out"
    return reason


def _interval(figure: str, mean: Mean) -> Interval:
    if figure == counts.HIT:
        return intervals.wilson(mean.value * mean.n, mean.n)
    low, high = intervals.of_mean(mean.value, mean.variance, mean.n)
    return max(0.0, low), min(1.0, high)


def _decline(subject: Subject, info: MetricInfo, mean: Mean, usual: Mean, where: Labels) -> Measurement:
    where = labels(of=info.name, **dict(where))
    if usual.value <= 0:
        return subject.not_measured(DECLINE, "the baseline's figure is 0", mean.n, where=where)
    ratio = mean.value / usual.value
    variance = mean.variance / mean.n + ratio * ratio * usual.variance / usual.n
    half = Z * math.sqrt(variance) / usual.value
    return subject.ok(DECLINE, 1 - ratio, mean.n, where=where, interval=(1 - ratio - half, 1 - ratio + half))


def _elsewhere(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    n, needed = part.total(counts.RELEVANT), subject.settings.min_outcomes
    if n < needed:
        reason = _too_few(part, n, needed, "relevant items")
        yield subject.not_measured(ELSEWHERE, reason, n, where=where)
        return
    usual = None
    if base is not None and base.total(counts.RELEVANT) >= needed:
        usual = base.total(counts.ELSEWHERE) / base.total(counts.RELEVANT)
    yield subject.ok(ELSEWHERE, part.total(counts.ELSEWHERE) / n, n, where=where, baseline=usual)
