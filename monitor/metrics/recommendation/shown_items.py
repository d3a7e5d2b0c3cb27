"""Which items lists show: how many, how popular, how new, and how far that is from the baseline.

A profile counts at most 1,024 items of lists: those whose hash is smallest. Of more items, these are a random sample
(Bar-Yossef et al. 2002), from which the figures follow, with an interval. Fewer are counted exactly.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from monitor.metrics import intervals
from monitor.metrics.intervals import Interval, Z
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.metrics.recommendation.list_quality import ranking_of
from monitor.records import Better, Labels, Measurement
from monitor.windows.kernel import ranking_counts as counts
from monitor.windows.kernel.tally import MOST, place
from monitor.windows.profile import Slice

_WHERE = ("version",)
_NEEDS = "`ranking`"
_BASED = "`ranking`, also in the baseline"
SHOWN = MetricInfo(
    "shown_items", "items", Better.NONE, "Number of different items in all lists.", _WHERE,
    "exact up to 1,023 items; of more, 1,023 / the largest of the 1,024 smallest hashes", _NEEDS,
    "Bar-Yossef et al. 2002",
)  # fmt: skip
COVERAGE = MetricInfo(
    "catalogue_coverage", "share", Better.HIGHER, "Share of the catalogue that is in at least one list.", _WHERE,
    "shown_items / catalogue", "`ranking`; `ranking.catalogue` of the model", "Ge et al. 2010",
)  # fmt: skip
GINI = MetricInfo(
    "exposure_gini", "", Better.NONE, "Inequality of how often items are shown: 0 is all alike, near 1 is few items.",
    _WHERE, "Gini index of the lists per shown item", _NEEDS, "Fleder and Hosanagar 2009",
)  # fmt: skip
POPULARITY = MetricInfo(
    "average_popularity", "share", Better.NONE,
    "Popularity bias: in what share of the baseline's lists a shown item stood, on average.", _WHERE,
    "mean over shown items (the baseline's lists with the item / the baseline's lists)", _BASED, "Yin et al. 2012",
)  # fmt: skip
NOVELTY = MetricInfo(
    "novelty", "bits", Better.NONE, "Mean self-information of the shown items: high for items that were rarely shown.",
    _WHERE, "mean over shown items -log2(share of the baseline's lists with it); an unseen item counts as seen once",
    _BASED, "Castells, Vargas and Wang 2011",
)  # fmt: skip
UNSEEN = MetricInfo(
    "unseen_items", "share", Better.NONE, "Share of the shown items that no list of the baseline had.", _WHERE,
    "places with an item that the baseline does not have / places", _BASED,
)  # fmt: skip
DRIFT = MetricInfo(
    "list_drift", "share", Better.NONE,
    "Distance of what is shown from the baseline, beyond chance: 0 is alike, 1 is nothing in common.", _WHERE,
    "total variation distance over 128 groups of items - its mean by chance; chance as if a list had one item", _BASED,
)  # fmt: skip
LENGTH = MetricInfo(
    "list_length", "items", Better.NONE, "Mean number of items of a list.", _WHERE, "places / lists", _NEEDS
)  # fmt: skip
EMPTY = MetricInfo(
    "empty_list_share", "share", Better.LOWER, "Share of the lists without an item.", _WHERE,
    "empty lists / lists, Wilson interval", _NEEDS, "Wilson 1927",
)  # fmt: skip
REPEATED = MetricInfo(
    "repeated_item_share", "share", Better.LOWER, "Share of the places with an item that the list already has.", _WHERE,
    "repeated items / places", _NEEDS,
)  # fmt: skip
INFO = (SHOWN, COVERAGE, GINI, POPULARITY, NOVELTY, UNSEEN, DRIFT, LENGTH, EMPTY, REPEATED)
_OF_BASELINE = (POPULARITY, NOVELTY, UNSEEN, DRIFT)


@dataclass(frozen=True, slots=True)
class ListFigure:
    """A value with its 95 % interval, None if it is exact."""

    value: float
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Exposure:
    """In how many of the `lists` of a slice each item stood, by hash; of a sample of items, if `limit` is below 1: then
    those whose place is below it.
    """

    lists: float
    of_item: Mapping[str, float]
    limit: float = 1.0

    @property
    def different(self) -> ListFigure:
        """The number of different items."""
        kept = len(self.of_item)
        if self.limit >= 1:
            return ListFigure(float(kept))
        value = (kept - 1) / self.limit
        half = Z * value / math.sqrt(kept - 2)
        return ListFigure(value, (max(value - half, float(kept)), value + half))

    def below(self, limit: float) -> Mapping[str, float]:
        """The items of a smaller sample."""
        if limit >= self.limit:
            return self.of_item
        return {item: n for item, n in self.of_item.items() if place(item) < limit}


def exposure_of(part: Slice) -> Exposure:
    """What the lists of a slice showed."""
    tally = {item: n for item, n in part.tally(counts.ITEMS).items() if n > 0}
    limit = max(map(place, tally)) if len(tally) >= MOST else 1.0
    return Exposure(part.total(counts.LISTS), tally, limit)


def measure(subject: Subject) -> Iterator[Measurement]:
    """What is shown of all lists and by version; nothing of a model that sends none."""
    if not subject.profile.overall.total(counts.LISTS):
        return
    for where, part, base in subject.scopes():
        if not any(name == "segment" for name, _ in where):
            yield from _of_part(subject, where, part, base)


def _of_part(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    lists, needed = part.total(counts.LISTS), subject.settings.min_rows
    catalogue = ranking_of(subject).catalogue
    infos = [info for info in INFO if info is not COVERAGE or catalogue]
    if lists < needed:
        for info in infos:
            yield subject.not_measured(info, too_few(lists, needed, "lists"), lists, where=where)
        return
    usual = _shares(base) if base is not None and base.total(counts.LISTS) else {}
    for info, figure in _shares(part).items():
        before = usual.get(info)
        yield subject.ok(
            info, figure.value, lists, where=where, interval=figure.interval,
            baseline=None if before is None else before.value,
        )  # fmt: skip
    if not part.total(counts.SHOWN):
        for info in infos[: len(infos) - 3]:
            yield subject.not_measured(info, "all lists are empty", lists, where=where)
        return
    now = exposure_of(part)
    for info, figure in _of_items(now, catalogue).items():
        yield subject.ok(info, figure.value, lists, where=where, interval=figure.interval)
    yield from _beside_baseline(subject, where, part, base, now)


def _shares(part: Slice) -> dict[MetricInfo, ListFigure]:
    lists, places = part.total(counts.LISTS), part.total(counts.PLACES)
    empty = part.total(counts.EMPTY)
    figures = {
        LENGTH: ListFigure(places / lists),
        EMPTY: ListFigure(empty / lists, intervals.wilson(empty, lists)),
    }
    return figures | {REPEATED: ListFigure(part.total(counts.REPEATED) / places if places else 0.0)}


def _of_items(now: Exposure, catalogue: int | None) -> dict[MetricInfo, ListFigure]:
    different = now.different
    figures = {SHOWN: different, GINI: ListFigure(_gini(np.array(list(now.of_item.values()))))}
    if catalogue:
        bounds = different.interval
        share = ListFigure(
            min(different.value / catalogue, 1.0),
            None if bounds is None else (bounds[0] / catalogue, min(bounds[1] / catalogue, 1.0)),
        )
        figures[COVERAGE] = share
    return figures


def _gini(amounts: np.ndarray) -> float:
    """Gini index of positive amounts."""
    ordered, n = np.sort(amounts), amounts.size
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))


def _beside_baseline(
    subject: Subject, where: Labels, part: Slice, base: Slice | None, now: Exposure
) -> Iterator[Measurement]:
    needed = subject.settings.min_rows
    if base is None or base.total(counts.LISTS) < needed or not base.total(counts.SHOWN):
        for info in _OF_BASELINE:
            reason = "there is no baseline" if base is None else "the baseline has too few lists"
            yield subject.not_measured(info, reason, now.lists, where=where)
        return
    before = exposure_of(base)
    limit = min(now.limit, before.limit)
    mine, theirs = now.below(limit), before.below(limit)
    if not mine:
        for info in (POPULARITY, NOVELTY, UNSEEN):
            yield subject.not_measured(info, "no item is in the sample", now.lists, where=where)
    else:
        weight = np.array(list(mine.values()))
        stood = np.array([theirs.get(item, 0.0) for item in mine])
        share = np.minimum(stood / before.lists, 1.0)
        rarity = -np.log2(np.minimum(np.maximum(stood, 1.0) / before.lists, 1.0))
        for info, values in ((POPULARITY, share), (NOVELTY, rarity), (UNSEEN, (stood == 0).astype(float))):
            value, interval = _weighted(weight, values, is_sample=limit < 1)
            yield subject.ok(info, value, now.lists, where=where, interval=interval)
    yield _drift(subject, where, part, base)


def _weighted(weight: np.ndarray, values: np.ndarray, *, is_sample: bool) -> tuple[float, Interval | None]:
    """The mean of values of items, each counted as often as it was shown; items are the sampled units (a ratio)."""
    value = float(weight @ values / weight.sum())
    if not is_sample:
        return value, None
    residuals = weight * (values - value)
    half = Z * math.sqrt(float(residuals @ residuals)) / float(weight.sum())
    return value, (max(value - half, 0.0), value + half)


def _drift(subject: Subject, where: Labels, part: Slice, base: Slice) -> Measurement:
    names = sorted({*part.tally(counts.GROUPS), *base.tally(counts.GROUPS)})
    shares = [
        np.array([one.tally(counts.GROUPS).get(name, 0.0) for name in names]) / one.total(counts.SHOWN)
        for one in (part, base)
    ]
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    lists, others = part.total(counts.LISTS), base.total(counts.LISTS)
    both = (shares[0] * lists + shares[1] * others) / (lists + others)
    statistic = float(((shares[0] - shares[1]) ** 2 / both).sum() / (1 / lists + 1 / others))
    p_value = intervals.chi_square(np.array([statistic]), np.array([len(names) - 1]))
    by_chance = (
        math.sqrt(2 / math.pi * (1 / lists + 1 / others)) * float(np.sqrt(both * (1 - both)).sum()) / 2
    )
    return subject.ok(
        DRIFT, min(max(distance - by_chance, 0.0), 1.0), lists, where=where, p_value=float(p_value[0])
    )
