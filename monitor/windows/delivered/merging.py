"""Adds what sites have delivered for a window to its profile, exactly once.

The profile of a window is the sum of what this daemon counted itself and of what each site counted. A newer delivery
replaces the one before: its counts are taken out of the sum, and the new ones are added. Counts are integers, so the
sum is that of a direct connection to the last bit.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from sqlalchemy import Connection

from monitor.records import Stream, Window
from monitor.store import profile_versions, profiles, site_windows, window_totals
from monitor.store.db import faults_of
from monitor.store.profiles import StoredProfile
from monitor.store.site_windows import SiteWindow
from monitor.windows import codec
from monitor.windows.baseline import layout_by_id
from monitor.windows.delivered import bases
from monitor.windows.delivered.epochs import EpochBase, of_site
from monitor.windows.layout.layout import Layout
from monitor.windows.profile import Profile, merge, subtract
from monitor.windows.rolling import current_layout

_AT_ONCE = 200


def deliver(
    connection: Connection, stream: Stream, delivered: Iterable[tuple[Window, SiteWindow]], now: float
) -> int:
    """Store what a site has delivered for windows of a stream, and add it to their profiles. A delivery that is older
    than the stored one changes nothing. Returns by how many rows the profiles grew.
    """
    profile_versions.advance(connection, stream, now)
    grown, totals = 0, list[StoredProfile]()
    for window, new in delivered:
        before = site_windows.of_window(connection, stream, window)
        same = [one for one in before if (one.site, one.epoch) == (new.site, new.epoch)]
        if same and same[0].seq >= new.seq:
            continue
        after = [*(one for one in before if one not in same), new]
        site_windows.put(connection, stream, window, new, now)
        total = _total(connection, stream, window, before, after)
        if total is None:
            continue
        grown += total.rows - _rows_of(connection, stream, window)
        totals.append(total)
        site_windows.mark(connection, stream, window, total.layout)
    window_totals.put(connection, {stream: totals}, now)
    return grown


def are_waiting(connection: Connection, stream: Stream) -> bool:
    """Whether deliveries wait that `catch_up` would add."""
    layout = current_layout(connection, stream)
    return bool(site_windows.unmerged(connection, stream, layout.id, 1))


def catch_up(connection: Connection, stream: Stream, now: float) -> int:
    """Add deliveries that waited for the layout of the stream's baseline, the oldest first; the number of windows.

    Call it again until it returns 0.
    """
    layout = current_layout(connection, stream)
    waiting = site_windows.unmerged(connection, stream, layout.id, _AT_ONCE)
    if not waiting:
        return 0
    profile_versions.advance(connection, stream, now)
    totals = []
    for window in waiting:
        known = site_windows.of_window(connection, stream, window)
        with faults_of(connection).isolate("site_windows", f"{stream} from {window.start}"):
            total = _total(connection, stream, window, known, known)
            totals += [total] if total is not None else []
            site_windows.mark(connection, stream, window, layout.id)
    window_totals.put(connection, {stream: totals}, now)
    return len(totals)


def _rows_of(connection: Connection, stream: Stream, window: Window) -> int:
    stored = profiles.get(connection, stream, window)
    return 0 if stored is None else stored.rows


def _total(
    connection: Connection,
    stream: Stream,
    window: Window,
    before: Sequence[SiteWindow],
    after: Sequence[SiteWindow],
) -> StoredProfile | None:
    """The profile of a window with the deliveries `after`, of which it had those of `before` that were merged; None if
    it stays as it is.
    """
    stored = profiles.get(connection, stream, window)
    layout = _layout(connection, stream, stored, after)
    if layout is None:
        return None
    merged = [one for one in before if one.is_merged and one.layout == layout.id]
    parts = _by_site([one for one in after if one.layout == layout.id], layout)
    if stored is not None and stored.layout == layout.id and not _is_only(stored, merged):
        with faults_of(connection).isolate("profiles", f"{stream} {window.start} {window.seconds}"):
            own = subtract(codec.decode(stored.blob, layout), _by_site(merged, layout))
            parts += [own] if own.rows or own.overall.counts.any() else []
    total = merge(parts)
    return StoredProfile(window, layout.id, total.rows, codec.encode(total))


def _layout(
    connection: Connection, stream: Stream, stored: StoredProfile | None, after: Sequence[SiteWindow]
) -> Layout | None:
    """The layout of the sum: that of the baseline; without a delivery in it, that of the profile so far. Profiles of an
    older layout are not compared with the baseline, but kept. None: no delivery can be added to the profile.
    """
    delivered = {one.layout for one in after}
    current = current_layout(connection, stream)
    if current.id in delivered:
        return current
    if stored is not None:
        return layout_by_id(connection, stored.layout) if stored.layout in delivered else None
    return layout_by_id(connection, max(after, key=lambda one: (one.seq, one.epoch)).layout)


def _is_only(stored: StoredProfile, merged: Sequence[SiteWindow]) -> bool:
    """Whether a profile is one delivery and nothing else."""
    return len(merged) == 1 and merged[0].blob == stored.blob


def _by_site(delivered: Sequence[SiteWindow], layout: Layout) -> list[Profile]:
    """The profile of the window at each site."""
    profiles = []
    for _, of_one in groupby(sorted(delivered, key=lambda one: one.site), key=lambda one: one.site):
        some = list(of_one)
        latest = {one.epoch: codec.decode(one.blob, layout) for one in some}
        began = {base.epoch: base for one in some for base in bases.decode(one.bases)}
        profile = of_site(latest, {epoch: _base(base, layout) for epoch, base in began.items()})
        profiles += [profile] if profile is not None else []
    return profiles


def _base(base: bases.EncodedBase, layout: Layout) -> EpochBase:
    is_known = base.layout == layout.id
    return EpochBase(base.parent, codec.decode(base.blob, layout) if is_known else None)
