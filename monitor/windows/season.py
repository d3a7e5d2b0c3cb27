"""Baselines other than the pinned one: the same hour of past weeks, and the version before."""

from dataclasses import replace

from sqlalchemy import Connection

from monitor.records import Stream, Window
from monitor.windows.profile import OVERALL, Profile, merge
from monitor.windows.reference import Baseline
from monitor.windows.rolling import Rolling

WEEK = 7 * 86400


def same_hour_of_week(
    connection: Connection, stream: Stream, window: Window, base_seconds: int, weeks: int, now: float
) -> Baseline | None:
    """The sum of the same window in the last `weeks` weeks; None where none of them has rows.

    `span` is as long as the windows that have rows, so that the volume to expect is their mean.
    """
    rolling = Rolling(connection, base_seconds, settled=window.start, now=now)
    past = [Window(window.start - k * WEEK, window.end - k * WEEK) for k in range(1, weeks + 1)]
    found = [profile for profile in (rolling.profile(stream, one) for one in past) if profile.rows]
    if not found:
        return None
    start = window.start - WEEK
    span = Window(start, start + len(found) * window.seconds)
    source = f"the same time of the week, {len(found)} weeks"
    total = merge(found)
    return Baseline(stream, "season", now, source, total.layout, total, span)


def of_version(baseline: Baseline, profile: Profile, version: str) -> Baseline | None:
    """What one version of the model did in `profile`, as the baseline for another; None if it has no rows there."""
    part = profile.versions.get(version)
    if part is None or not part.rows:
        return None
    alone = Profile(profile.layout, {OVERALL: part})
    return replace(
        baseline, name="version", source=f"version {version}", profile=alone, layout=profile.layout, span=None
    )


def only_version(profile: Profile, version: str) -> Profile:
    """The part of a window that one version answered, to be held against another's."""
    return Profile(profile.layout, {OVERALL: profile.versions[version]})
