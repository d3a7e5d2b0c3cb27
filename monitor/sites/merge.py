"""Merges bundles at the agency: verified, checked, and each exactly once.

Nothing of a bundle is used before its signature is verified, and nothing is stored before all of it was read. A site
can only speak of the models of its own client.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
from sqlalchemy import Connection

from monitor.errors import InputError, TooLargeError, WatchkeeperError
from monitor.records import Alert, Stream, Transition, Window, fingerprint
from monitor.sites import bundle, keys
from monitor.sites.bundle import BaselineEntry, Content, Envelope, Head, StreamEntry, WindowEntry
from monitor.sites.settings import KnownSite
from monitor.store import alerts, baselines, model_versions, site_windows, streams
from monitor.store.baselines import StoredBaseline
from monitor.store.checksums import HEAD, unsealed_head
from monitor.store.db import Store
from monitor.store.model_versions import Version
from monitor.store.site_windows import Delivered, SiteWindow
from monitor.text_limits import ENVIRONMENT, LABEL, flaw_of_name, flaw_of_text
from monitor.visible import visible
from monitor.windows import codec
from monitor.windows.delivered import bases, merging
from monitor.windows.kernel import loss_model
from monitor.windows.layout import build
from monitor.windows.layout.from_table import BARE
from monitor.windows.layout.layout import Layout
from monitor.windows.profile import Profile

CLOCK_TOLERANCE = 300.0
"""Seconds by which the clock of a site may be ahead before that is reported."""
_LARGEST_PROFILE = 512 * 1024**2
_LARGEST_LAYOUT = 64 * 1024**2
_LARGEST_LAYOUTS = 256 * 1024**2
"""Of one bundle: all of them are in memory at the same time."""
_FARTHEST = 1e11
_MOST_ROWS, _LARGEST_COUNT = 2**40, 2.0**53
"""Of a window: the rows of many windows are added up in 64 bits, and weights and counts as floats."""
_LONGEST_SOURCE, _DIGEST = 8192, 64
"""Characters of where a baseline is from, such as the path of a file, and of its digest."""
_ALERT = msgspec.json.Decoder(Alert)
_TRANSITION = msgspec.json.Decoder(Transition)


@dataclass(frozen=True, slots=True)
class Merged:
    """A bundle that is in the database. `is_new` is false if it was there before; `rows` are predictions."""

    head: Head
    is_new: bool
    windows: int = 0
    rows: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Read:
    """A checked bundle: its streams, its windows by stream, alerts and transitions."""

    streams: Sequence[tuple[Stream, StreamEntry]]
    windows: Mapping[Stream, Sequence[tuple[Window, SiteWindow]]]
    layouts: Mapping[str, bytes]
    alerts: Sequence[Alert]
    transitions: Sequence[Transition]


def merge(
    store: Store, packed: bytes, sites: Mapping[str, KnownSite], base_seconds: int, now: float
) -> Merged:
    """Merge a bundle; one that is known changes nothing.

    Raises:
        InputError: it is no bundle, of an unknown site, not signed by it, contradicts another bundle, or its content
            cannot be right. Nothing of it is stored.
        StoreError: the database cannot be written; try again.
    """
    envelope = bundle.opened(packed)
    head = envelope.head
    if head.site not in sites:
        raise InputError(f"the site {head.site} is not configured", hint="add it under sites:")
    site = sites[head.site]
    decrypt_with = keys.load(Path(site.decrypt_with), keys.SEALING) if site.decrypt_with else None
    content = bundle.verified(envelope, site.key, decrypt_with)
    with store.read() as connection:
        if (known := _known(connection, envelope)) is not None:
            return known
    read = _checked(content, head, site, base_seconds)
    entry = _entry(envelope, content, read, site, now)
    with store.write() as connection:
        if not site_windows.add(connection, entry):
            return Merged(head, is_new=False)
        rows = _write(connection, head, read, entry, now)
    return Merged(head, is_new=True, windows=len(content.windows), rows=rows, note=entry.note)


def _known(connection: Connection, envelope: Envelope) -> Merged | None:
    """The bundle if it was merged before.

    Raises:
        InputError: it contradicts a bundle that was merged.
    """
    head = envelope.head
    hint = "was its database restored from a backup, and its outbox too? Run `watchkeeper site init --restored` there"
    if (same := site_windows.find(connection, head.site, head.epoch, head.seq)) is not None:
        if same.digest == envelope.digest:
            return Merged(head, is_new=False)
        raise InputError(f"another bundle {head.seq} of {head.site} was merged before", hint=hint)
    before = site_windows.find(connection, head.site, head.epoch, head.seq - 1)
    after = site_windows.find(connection, head.site, head.epoch, head.seq + 1)
    if before is not None and before.digest != head.previous:
        raise InputError(f"bundle {head.seq} of {head.site} does not follow bundle {head.seq - 1}", hint=hint)
    if after is not None and after.previous != envelope.digest:
        raise InputError(f"bundle {head.seq + 1} of {head.site} does not follow bundle {head.seq}", hint=hint)
    return None


def _entry(envelope: Envelope, content: Content, read: _Read, site: KnownSite, now: float) -> Delivered:
    head = envelope.head
    marks = [one.watermark for _, one in read.streams if one.watermark is not None]
    ahead = head.made_at - now
    note = f"its clock is at least {ahead:.0f} s ahead" if ahead > CLOCK_TOLERANCE else ""
    return Delivered(
        head.site, head.epoch, head.seq, site.client, head.number, head.parent, envelope.digest, head.previous,
        head.made_at, now, len(content.windows), max(marks, default=None), content.is_judging, note,
    )  # fmt: skip


def _checked(content: Content, head: Head, site: KnownSite, base_seconds: int) -> _Read:
    """The content of a bundle, if all of it can be right.

    Raises:
        InputError: it cannot.
    """
    owners = [(_stream(one, site), one) for one in content.streams]
    names = {stream for stream, _ in owners}
    if len(names) < len(owners):
        raise InputError("the bundle has a duplicate model")
    layouts = _layouts(content)
    windows: dict[Stream, list[tuple[Window, SiteWindow]]] = {}
    for entry in content.windows:
        if not 0 <= entry.stream < len(owners):
            raise InputError("a window of the bundle belongs to no model")
        window = _window(entry, base_seconds)
        delivered = _delivered(entry, head, layouts)
        windows.setdefault(owners[entry.stream][0], []).append((window, delivered))
    for _, one in owners:
        for baseline in one.baselines:
            _check_profile(baseline.blob, _layout(layouts, baseline.layout))
            _check_loss(baseline.loss, _layout(layouts, baseline.layout))
    site_alerts = _alerts(content, names)
    return _Read(owners, windows, content.layouts, *site_alerts)


def _stream(entry: StreamEntry, site: KnownSite) -> Stream:
    stream = Stream(entry.client, entry.model, entry.environment)
    flaws = [flaw_of_name(entry.client), flaw_of_name(entry.model), flaw_of_name(entry.environment)]
    if any(flaws) or len(entry.environment) > ENVIRONMENT:
        raise InputError(f"{visible(str(stream))[:200]} is not the name of a model")
    if stream.client != site.client:
        raise InputError(f"the bundle has a model of {stream.client}, not of {site.client}")
    if site.models and stream.model not in site.models:
        hint = "add it to `models` of the site, or leave that out"
        raise InputError(f"the site may not send the model {stream.model}", hint=hint)
    if entry.watermark is not None and not _is_time(entry.watermark):
        raise InputError("a time of the bundle is out of range")
    for version in entry.versions:
        if len(version.version) > LABEL or flaw_of_text(version.version):
            raise InputError("a version of the bundle has no valid name")
        if not (_is_time(version.first_seen) and _is_time(version.last_seen)):
            raise InputError("a time of a version of the bundle is out of range")
    for baseline in entry.baselines:
        _check_baseline(baseline)
    return stream


def _check_baseline(entry: BaselineEntry) -> None:
    times = (entry.created_at, entry.start or 0, entry.end or 0)
    if not all(map(_is_time, times)):
        raise InputError("a time of a baseline of the bundle is out of range")
    texts = ((entry.name, LABEL), (entry.source, _LONGEST_SOURCE), (entry.digest, _DIGEST))
    if any(len(text) > most or flaw_of_text(text) for text, most in texts):
        raise InputError("a text of a baseline of the bundle is too long or not printable")


def _is_time(seconds: float) -> bool:
    return abs(seconds) < _FARTHEST


def _window(entry: WindowEntry, base_seconds: int) -> Window:
    if entry.seconds != base_seconds:
        hint = "set predictions.base_window to the same length on both sides"
        raise InputError(f"the windows have {entry.seconds} s instead of {base_seconds} s", hint=hint)
    if entry.start % entry.seconds or abs(entry.start) > 1e11:
        raise InputError("a window of the bundle is not aligned to base windows")
    return Window(entry.start, entry.start + entry.seconds)


def _delivered(entry: WindowEntry, head: Head, layouts: Mapping[str, Layout]) -> SiteWindow:
    blob = _check_profile(entry.blob, _layout(layouts, entry.layout))
    began = [
        msgspec.structs.replace(one, blob=_check_profile(one.blob, _layout(layouts, one.layout)))
        for one in entry.bases
    ]
    return SiteWindow(head.site, head.epoch, head.seq, entry.layout, blob, bases.encode(began))


def _check_profile(blob: bytes, layout: Layout) -> bytes:
    """The same profile in the form in which this program writes it.

    Raises:
        InputError: the bytes are no profile of this layout.
    """
    try:
        codec.check_size(blob, layout, _LARGEST_PROFILE)
        profile = codec.decode(blob, layout)
        _check_numbers(profile)
        return codec.encode(profile)
    except InputError:
        raise
    except WatchkeeperError as error:
        raise InputError(f"a profile of the bundle cannot be read: {error.message}"[:300]) from error
    except (ValueError, TypeError, KeyError, IndexError, ArithmeticError, AttributeError) as error:
        raise InputError(f"a profile of the bundle is inconsistent: {error}"[:300]) from error


def _check_numbers(profile: Profile) -> None:
    """Raise InputError if a number of a profile cannot be one that was counted: it would spoil every sum with it."""
    for part in profile.slices.values():
        tallies = (count for tally in part.tallies.values() for count in tally.values())
        largest = (max(array.max(initial=0.0), -array.min(initial=0.0)) for array in part.cells.values())
        numbers = (part.weight, part.weight_squares, part.counts.max(initial=0.0), *tallies, *largest)
        if not (0 <= part.rows < _MOST_ROWS and all(0 <= one < _LARGEST_COUNT for one in numbers)):
            raise InputError("a profile of the bundle has an impossible count")


def _check_loss(blob: bytes, layout: Layout) -> None:
    """Raise InputError unless these bytes are nothing, or a model of the error for the columns of this layout."""
    if not blob:
        return
    try:
        model = loss_model.decode(blob)
    except WatchkeeperError as error:
        raise InputError(f"a baseline of the bundle cannot be read: {error.message}"[:300]) from error
    cells = sum(len(column.cells) for column in layout.watched)
    arrays = (model.coefficients, model.members, np.array([model.intercept, model.variance]))
    if model.coefficients.size != cells or not all(np.isfinite(one).all() for one in arrays):
        raise InputError("an error model in the bundle is inconsistent")


def _layouts(content: Content) -> dict[str, Layout]:
    """The layouts of a bundle, by id. Its bundles are self-contained."""
    known = {BARE.id: BARE}
    if sum(map(_size_of_layout, content.layouts.values())) > _LARGEST_LAYOUTS:
        raise TooLargeError("the layouts of the bundle are too large")
    for identity, blob in content.layouts.items():
        try:
            if _size_of_layout(blob) > _LARGEST_LAYOUT:
                raise TooLargeError("a layout of the bundle is too large")
            layout = _decoded_layout(blob)
        except InputError:
            raise
        except WatchkeeperError as error:
            raise InputError(f"a layout of the bundle cannot be read: {error.message}"[:300]) from error
        except (ValueError, TypeError, KeyError, IndexError, ArithmeticError, AttributeError) as error:
            raise InputError(f"a layout of the bundle is inconsistent: {error}"[:300]) from error
        if layout.id != identity:
            raise InputError("a layout of the bundle does not match its id")
        known[identity] = layout
    return known


def _size_of_layout(blob: bytes) -> int:
    """The bytes that a layout is decompressed to, as it says itself."""
    return int.from_bytes(unsealed_head(blob[:HEAD])[:8], "little")


@lru_cache(maxsize=16)
def _decoded_layout(blob: bytes) -> Layout:
    return build.decode(blob)


def _layout(layouts: Mapping[str, Layout], identity: str) -> Layout:
    if identity not in layouts:
        raise InputError(f"the bundle lacks the layout {identity[:16]}")
    return layouts[identity]


def _alerts(content: Content, names: set[Stream]) -> tuple[list[Alert], list[Transition]]:
    try:
        decoded = [_ALERT.decode(one) for one in content.alerts]
        changes = [_TRANSITION.decode(one) for one in content.transitions]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InputError(f"an alert of the bundle cannot be read: {error}"[:300]) from error
    decoded = [one for one in decoded if one.stream in names]
    if any(one.fingerprint != fingerprint(one.rule, one.stream, one.instance) for one in decoded):
        raise InputError("an alert of the bundle does not match its id")
    ours = {(one.fingerprint, one.stream) for one in decoded}
    return decoded, [one for one in changes if (one.fingerprint, one.stream) in ours]


def _write(connection: Connection, head: Head, read: _Read, entry: Delivered, now: float) -> int:
    """Store a checked bundle; by how many predictions the profiles grew."""
    newest = site_windows.newest(connection, head.site)
    is_newest = newest is None or (newest.epoch, newest.seq) == (entry.epoch, entry.seq)
    for identity, blob in read.layouts.items():
        baselines.put_layout(connection, identity, blob)
    rows = 0
    for stream, one in read.streams:
        if is_newest:
            _put_baselines(connection, stream, one, now)
        versions = [Version(stream, v.version, v.first_seen, v.last_seen) for v in one.versions]
        model_versions.put(connection, versions)
        grown = merging.deliver(connection, stream, read.windows.get(stream, ()), now)
        streams.deliver(connection, stream, head.site, grown, one.watermark, now)
        rows += grown
    model_versions.delete_oldest(connection)
    if is_newest:
        alerts.put(connection, read.alerts)
    alerts.add_transitions(connection, read.transitions)
    return rows


def _put_baselines(connection: Connection, stream: Stream, entry: StreamEntry, now: float) -> None:
    for one in entry.baselines:
        stored = StoredBaseline(
            stream, one.name, one.created_at, one.source, one.start, one.end, one.layout, one.digest, one.blob,
            one.loss,
        )  # fmt: skip
        baselines.put(connection, stored, now)


def catch_up(store: Store, now: float) -> int:
    """Add windows to their profiles that waited for a baseline, in small transactions; the number of windows."""
    with store.read() as connection:
        delivered = {one for some in site_windows.streams_of(connection).values() for one in some}
    return sum(_catch_up(store, stream, now) for stream in sorted(delivered))


def _catch_up(store: Store, stream: Stream, now: float) -> int:
    done = 0
    with store.faults.isolate("site_windows", str(stream)):
        while True:
            with store.read() as connection:
                if not merging.are_waiting(connection, stream):
                    return done
            with store.write() as connection:
                done += merging.catch_up(connection, stream, now)
    return done
