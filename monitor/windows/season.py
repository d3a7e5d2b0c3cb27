"""Baselines other than the pinned one: the same hour of past weeks, and the version before."""

from monitor.records import Stream, Window
from monitor.windows.profile import OVERALL, Profile, merge
from monitor.windows.reference import Baseline
from monitor.windows.rolling import Rolling

WEEK = 7 * 86400


def same_hour_of_week(
    rolling: Rolling, stream: Stream, window: Window, weeks: int, now: float
) -> Baseline | None:
    """The sum of the same window in the last `weeks` weeks; None where none of them has rows.

    `span` is as long as the windows that have rows, so that the volume to expect is their mean.
    """
    past = [Window(window.start - k * WEEK, window.end - k * WEEK) for k in range(1, weeks + 1)]
    found = [profile for profile in (rolling.profile(stream, one) for one in past) if profile.rows]
    if not found:
        return None
    start = window.start - WEEK
    span = Window(start, start + len(found) * window.seconds)
    source = f"the same time of the week, {len(found)} weeks"
    total = merge(found)
    return Baseline(stream, "season", now, source, total.layout, total, span)


def of_version(stream: Stream, profile: Profile, version: str, now: float) -> Baseline | None:
    """What one version of the model did in `profile`, as the baseline for another; None if it has no rows there."""
    part = profile.versions.get(version)
    if part is None or not part.rows:
        return None
    alone = Profile(profile.layout, {OVERALL: part})
    return Baseline(stream, "version", now, f"version {version}", profile.layout, alone)


def only_version(profile: Profile, version: str) -> Profile:
    """The part of a window that one version answered, to be held against another's."""
    return Profile(profile.layout, {OVERALL: profile.versions[version]})


def only_whole(profile: Profile) -> Profile:
    """A window without what is counted apart: its versions and segments."""
    return Profile(profile.layout, {OVERALL: profile.overall})
