"""What a site knows of a window, from the profiles of all its epochs: pure.

The profile of a window only ever grows within an epoch. An epoch that begins anew, because the database was restored
from a backup, starts with the profiles of the backup (its bases), which are a moment in the history of its parent. So
an epoch adds what it counted beyond its base, and the latest known state of the first epoch is what all add to: no row
is counted twice, whatever the backup held, and in whatever order bundles arrive.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.windows.profile import Profile, merge, subtract


@dataclass(frozen=True, slots=True)
class EpochBase:
    """The profile of a window when an epoch began, a moment in the history of `parent`; None if it is not known in the
    layout of today.
    """

    parent: str
    profile: Profile | None


def of_site(latest: Mapping[str, Profile], bases: Mapping[str, EpochBase]) -> Profile | None:
    """The profile of a window at one site, None if there is none; all profiles have one layout.

    `latest` is what is known last of each epoch, `bases` what epochs began with; an epoch without one began before the
    window had rows.

    Raises:
        ValueError: a base holds rows that its epoch does not.
    """
    states = {epoch: [profile] for epoch, profile in latest.items()}
    for epoch, base in bases.items():
        known = [base.profile] if base.profile is not None else states.pop(epoch, [])
        states.setdefault(base.parent, []).extend(known)
    summed: list[Profile] = []
    counted_twice: list[Profile] = []
    for epoch, known in sorted(states.items()):
        last = max(known, key=_extent)
        began = bases[epoch].profile if epoch in bases else None
        if began is None:
            summed.append(last)
        elif _extent(last) > _extent(began):
            summed.append(last)
            counted_twice.append(began)
    return subtract(merge(summed), counted_twice) if summed else None


def _extent(profile: Profile) -> tuple[float, ...]:
    """Grows whenever rows or outcomes are added: orders the states of one history."""
    overall = profile.overall
    tallied = sum(sum(tally.values()) for tally in overall.tallies.values())
    return float(overall.rows), float(overall.counts.sum()), float(tallied)
