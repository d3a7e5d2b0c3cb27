"""Baselines besides the pinned one: the same hour of past weeks, and the previous version."""

from monitor.config.units import WEEK
from monitor.records import Stream, Window
from monitor.visible import counted
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.profile import OVERALL, Profile, merge
from monitor.windows.rolling import Rolling


def same_hour_of_week(
    rolling: Rolling, stream: Stream, window: Window, weeks: int, now: float
) -> Baseline | None:
    """The sum of the same window in each of the last `weeks` weeks; None if none of them has rows.

    The span is as long as all windows with rows together, so that the expected volume is their mean.
    """
    past = [Window(window.start - k * WEEK, window.end - k * WEEK) for k in range(1, weeks + 1)]
    profiles = [
        profile for profile in (rolling.profile(stream, past_window) for past_window in past) if profile.rows
    ]
    if not profiles:
        return None
    start = window.start - WEEK
    span = Window(start, start + len(profiles) * window.seconds)
    source = f"the same time of the week, {counted(len(profiles), 'week')}"
    total = merge(profiles)
    return Baseline(stream, "season", now, source, total.layout, total, span)


def of_version(stream: Stream, profile: Profile, version: str, now: float) -> Baseline | None:
    """The part of `profile` that one version produced, as a baseline for another version; None if it has no rows."""
    part = profile.versions.get(version)
    if part is None or not part.rows:
        return None
    alone = Profile(profile.layout, {OVERALL: part})
    return Baseline(stream, "version", now, f"version {version}", profile.layout, alone)


def only_version(profile: Profile, version: str) -> Profile:
    """The part of a window that one version produced, to be compared with another version."""
    return Profile(profile.layout, {OVERALL: profile.versions[version]})


def only_whole(profile: Profile) -> Profile:
    """The overall slice of a window, without versions and segments."""
    return Profile(profile.layout, {OVERALL: profile.overall})
