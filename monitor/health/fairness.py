"""How often each group got the favourable answer, in sentences that a reader without statistics can rely on. Pure.

They say what was measured, of whom, over which time and how sure it is, and no more: a figure does not show its cause.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from monitor.health import wording
from monitor.health.fairness_settings import FairnessSection
from monitor.records import Measurement
from monitor.visible import one_line

RATE, RATIO = "selection_rate", "disparate_impact"
METRICS = frozenset((RATE, RATIO))
CAVEAT = "These figures alone do not show the cause of a difference."
MOST_NAMED, LONGEST_NAME = 4, 40
"""Groups and characters of a name that a sentence has."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group: its selection rate, and its ratio to the group `reference` (empty for that group itself)."""

    name: str
    rate: Measurement
    ratio: Measurement | None
    reference: str

    @property
    def distance(self) -> float:
        """How far the ratio is from 1, as a logarithm; 0 if it is not measured."""
        ratio = self.ratio.value if self.ratio is not None else None
        return abs(math.log(max(ratio, 1e-9))) if ratio is not None else 0.0


def groups_of(segment: str, measured: Iterable[Measurement]) -> list[Group]:
    """The groups of a segment: the reference group, then the others by the distance of their ratio from 1."""
    start = f"{segment}="
    mine = [one for one in measured if one.metric in METRICS and one.label("group").startswith(start)]
    ratios: Mapping[str, Measurement] = {one.label("group"): one for one in mine if one.metric == RATIO}
    groups = [
        Group(
            name.removeprefix(start),
            one,
            ratios.get(name),
            ratios[name].label("reference_group").removeprefix(start) if name in ratios else "",
        )
        for one in mine
        if one.metric == RATE and (name := one.label("group"))
    ]
    return sorted(groups, key=lambda group: (bool(group.reference), -group.distance, group.name))


def sentences(
    fairness: FairnessSection, measured: Sequence[Measurement], period: str
) -> list[tuple[str, str]]:
    """For each segment with groups, its name and what is known of them. `period` is such as `of the last 24 hours`."""
    written = []
    for segment in fairness.groups:
        if not (groups := groups_of(segment, measured)):
            continue
        known = [_rate(group) for group in groups if group.rate.value is not None]
        few = [_few(group, fairness.least) for group in groups if group.rate.reason.endswith("needed")]
        text = f"Too few answers {period} to compare groups."
        if known:
            text = (
                f'Share of answers {period} that were "{_short(fairness.favourable)}", with 95 % intervals: '
            )
            text += f"{_listed(known)}."
        text += f" Not measured: {_listed(few)}." if few else ""
        written.append((_short(segment), f"{text} {CAVEAT}" if known else text))
    return written


def _rate(group: Group) -> str:
    """`f 42 % (39 % to 45 %, 1,032 answers), 0.84 times that of m (0.77 to 0.92)`."""
    rate, ratio = group.rate, group.ratio
    assert rate.value is not None
    notes = f"{_between(rate, wording.share)}, {wording.count(rate.n)} answers"
    text = f"{_short(group.name)} {wording.share(rate.value)} ({notes})"
    if ratio is None or ratio.value is None:
        return text
    times = f"{wording.number(ratio.value)} times that of {_short(group.reference)}"
    return f"{text}, {times} ({_between(ratio, wording.number)})"


def _between(one: Measurement, write: Callable[[float], str]) -> str:
    return f"{write(one.low or 0.0)} to {write(one.high or 0.0)}"


def _few(group: Group, least: int) -> str:
    """`x (17 answers, 100 needed)`."""
    return f"{_short(group.name)} ({wording.count(group.rate.n)} answers, {least} needed)"


def _listed(parts: Sequence[str]) -> str:
    more = len(parts) - MOST_NAMED
    return "; ".join(parts[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _short(text: str) -> str:
    text = one_line(text)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"
