"""How differently groups are treated: selection rates, and each group against a reference group.

Groups are the values of declared segments. A figure needs `fairness.least` rows in the group and in the reference
group, so nothing is measured about a few people.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from monitor.metrics import intervals
from monitor.metrics.fairness.group_counts import EMPTY, GroupCounts, Proportion, counts_of, why_not_counted
from monitor.metrics.intervals import Interval
from monitor.metrics.metric import MetricInfo, Subject
from monitor.metrics.quality.confusion import Notation, notation_of
from monitor.metrics.settings import FairnessSettings
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.layout.notation import written
from monitor.windows.profile import Profile, Slice, merge_slices

GROUP, REFERENCE_GROUP = "group", "reference_group"
_PAIR = (GROUP, REFERENCE_GROUP)
_NEEDS = "`fairness` of the model, segments"
_WITH_TRUTH = "`fairness` of the model, segments, outcomes with `truth`"
SELECTION_RATE = MetricInfo(
    "selection_rate", "share", Better.NONE, "Share of a group's answers that are the favourable one.", (GROUP,),
    "favourable answers / answers, Wilson interval", _NEEDS, "Wilson 1927",
)  # fmt: skip
DISPARATE_IMPACT = MetricInfo(
    "disparate_impact", "", Better.HIGHER,
    "Selection rate of a group, relative to that of the reference group.", _PAIR,
    "selection rate / selection rate of the reference group; interval of a ratio from Wilson's limits", _NEEDS,
    "EEOC 1978 (four-fifths rule); Donner and Zou 2012",
)  # fmt: skip
STATISTICAL_PARITY_DIFFERENCE = MetricInfo(
    "statistical_parity_difference", "", Better.HIGHER,
    "Selection rate of a group minus that of the reference group.", _PAIR,
    "selection rate - selection rate of the reference group, Newcombe interval", _NEEDS, "Newcombe 1998",
)  # fmt: skip
EQUAL_OPPORTUNITY_DIFFERENCE = MetricInfo(
    "equal_opportunity_difference", "", Better.HIGHER,
    "True positive rate of a group minus that of the reference group.", _PAIR,
    "favourable answers / rows whose truth is favourable, - the same of the reference group, Newcombe interval",
    _WITH_TRUTH, "Hardt et al. 2016",
)  # fmt: skip
PREDICTIVE_PARITY_DIFFERENCE = MetricInfo(
    "predictive_parity_difference", "", Better.NONE,
    "Share of a group's favourable answers that were right, minus that of the reference group.", _PAIR,
    "favourable truths / rows whose answer is favourable, - the same of the reference group, Newcombe interval",
    _WITH_TRUTH, "Chouldechova 2017",
)  # fmt: skip
CALIBRATION_DIFFERENCE = MetricInfo(
    "calibration_difference", "", Better.NONE,
    "Mean confidence minus accuracy of a group, minus that of the reference group.", _PAIR,
    "(mean confidence - accuracy) - the same of the reference group, normal interval",
    "`fairness` of the model, segments, `confidence`, outcomes with `truth`",
)  # fmt: skip
INFO = (
    SELECTION_RATE,
    DISPARATE_IMPACT,
    STATISTICAL_PARITY_DIFFERENCE,
    EQUAL_OPPORTUNITY_DIFFERENCE,
    PREDICTIVE_PARITY_DIFFERENCE,
    CALIBRATION_DIFFERENCE,
)


@dataclass(frozen=True, slots=True)
class _Comparison:
    """How a metric is computed from two shares. `of` reads the share, `what` names its rows."""

    info: MetricInfo
    of: Callable[[GroupCounts], Proportion | None]
    what: str
    figure: Callable[[float, float], float]
    interval: Callable[[float, float, float, float], Interval]


def _difference(share: float, other: float) -> float:
    return share - other


def _ratio(share: float, other: float) -> float:
    return share / other


_NEWCOMBE = intervals.difference_of_shares
_COMPARISONS = (
    _Comparison(DISPARATE_IMPACT, lambda one: one.selected, "rows", _ratio, intervals.ratio_of_shares),
    _Comparison(STATISTICAL_PARITY_DIFFERENCE, lambda one: one.selected, "rows", _difference, _NEWCOMBE),
    _Comparison(
        EQUAL_OPPORTUNITY_DIFFERENCE, lambda one: one.of_truths, "rows with a favourable truth", _difference, _NEWCOMBE,
    ),
    _Comparison(
        PREDICTIVE_PARITY_DIFFERENCE, lambda one: one.of_answers, "favourable answers with a truth", _difference,
        _NEWCOMBE,
    ),
)  # fmt: skip


def measure(subject: Subject) -> Iterator[Measurement]:
    """The figures of each group. A model without the setting has none."""
    stream = subject.stream
    fairness = subject.settings.fairness.get((stream.client, stream.model))
    if fairness is None:
        return
    notation = notation_of(subject)
    for name in fairness.groups:
        yield from _of_segment(subject, fairness, name, notation)


def _of_segment(
    subject: Subject, fairness: FairnessSettings, name: str, notation: Notation
) -> Iterator[Measurement]:
    base = subject.baseline.profile if subject.baseline is not None else None
    slices, usual = _groups(subject.profile, name), _groups(base, name) if base is not None else {}
    now, before = (
        {value: counts_of(part, fairness.favourable, notation) for value, part in some.items()}
        for some in (slices, usual)
    )
    reference = written(fairness.reference.get(name, "")) or _largest(usual) or _largest(slices)
    if reference is None:
        yield subject.not_measured(SELECTION_RATE, f"no row has the segment {name}")
        return
    values = sorted({*now, *before, reference})
    for value in values:
        group = f"{name}={value}"
        yield _selection_rate(subject, fairness, group, now.get(value, EMPTY), before.get(value, EMPTY))
    for value in values:
        if value == reference:
            continue
        where = labels(group=f"{name}={value}", reference_group=f"{name}={reference}")
        pair, usual_pair = ((some.get(value, EMPTY), some.get(reference, EMPTY)) for some in (now, before))
        for comparison in _COMPARISONS:
            yield _compared(subject, fairness, comparison, where, pair, usual_pair)
        yield _calibration(subject, fairness, where, pair, usual_pair)


def _groups(profile: Profile, segment: str) -> dict[str, Slice]:
    """The slices of a segment by value; values that are written in several ways are one group."""
    by_value: dict[str, list[Slice]] = {}
    for (name, value), part in profile.segments.items():
        if name == segment:
            by_value.setdefault(written(value), []).append(part)
    return {value: merge_slices(parts) for value, parts in by_value.items()}


def _largest(groups: Mapping[str, Slice]) -> str | None:
    """The group with the most rows; of several, the first by name."""
    return min(groups, key=lambda value: (-groups[value].rows, value), default=None)


def _selection_rate(
    subject: Subject, fairness: FairnessSettings, group: str, now: GroupCounts, before: GroupCounts
) -> Measurement:
    where, share = labels(group=group), now.selected
    if share is None:
        return subject.not_measured(SELECTION_RATE, why_not_counted(subject.profile.layout), where=where)
    if share.n < fairness.least:
        reason = _too_few(share.n, "rows", group, fairness.least)
        return subject.not_measured(SELECTION_RATE, reason, share.n, where=where)
    usual = before.selected
    return subject.ok(
        SELECTION_RATE,
        share.value,
        share.n,
        where=where,
        interval=intervals.wilson(share.hits, share.n),
        baseline=usual.value if usual is not None and usual.n >= fairness.least else None,
    )


def _compared(
    subject: Subject,
    fairness: FairnessSettings,
    comparison: _Comparison,
    where: Labels,
    now: tuple[GroupCounts, GroupCounts],
    before: tuple[GroupCounts, GroupCounts],
) -> Measurement:
    info, (group, other) = comparison.info, (comparison.of(one) for one in now)
    if group is None or other is None:
        return subject.not_measured(info, why_not_counted(subject.profile.layout), where=where)
    if reason := _why_not(comparison, group, other, where, fairness.least):
        return subject.not_measured(info, reason, min(group.n, other.n), where=where)
    usual, (one, two) = None, (comparison.of(counts) for counts in before)
    if one is not None and two is not None and not _why_not(comparison, one, two, where, fairness.least):
        usual = comparison.figure(one.value, two.value)
    return subject.ok(
        info,
        comparison.figure(group.value, other.value),
        group.n,
        where=where,
        interval=comparison.interval(group.hits, group.n, other.hits, other.n),
        p_value=intervals.two_shares(group.hits, group.n, other.hits, other.n),
        baseline=usual,
    )


def _why_not(comparison: _Comparison, group: Proportion, other: Proportion, where: Labels, least: int) -> str:
    for share, name in ((group, GROUP), (other, REFERENCE_GROUP)):
        if share.n < least:
            return _too_few(share.n, comparison.what, dict(where)[name], least)
    if comparison.info is DISPARATE_IMPACT and other.hits == 0:
        return f"no answer of {dict(where)[REFERENCE_GROUP]} is favourable, so there is no ratio to it"
    return ""


def _too_few(n: float, what: str, group: str, least: int) -> str:
    """`17 rows of sex=f, 100 needed`."""
    return f"{n:.0f} {what} of {group}, {least} needed"


def _calibration(
    subject: Subject,
    fairness: FairnessSettings,
    where: Labels,
    now: tuple[GroupCounts, GroupCounts],
    before: tuple[GroupCounts, GroupCounts],
) -> Measurement:
    group, other = now
    for one, name in ((group, GROUP), (other, REFERENCE_GROUP)):
        if one.with_confidence < fairness.least:
            reason = _too_few(
                one.with_confidence, "rows with confidence and truth", dict(where)[name], fairness.least
            )
            return subject.not_measured(CALIBRATION_DIFFERENCE, reason, one.with_confidence, where=where)
    value = group.bias - other.bias
    half = intervals.Z * math.sqrt(sum(one.variance / one.with_confidence for one in now))
    is_usable = min(one.with_confidence for one in before) >= fairness.least
    usual = before[0].bias - before[1].bias if is_usable else None
    return subject.ok(
        CALIBRATION_DIFFERENCE,
        value,
        group.with_confidence,
        where=where,
        interval=(value - half, value + half),
        baseline=usual,
    )
