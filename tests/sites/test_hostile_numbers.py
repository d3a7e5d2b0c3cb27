"""A site that is known signs numbers and texts that cannot be: all of the bundle is refused, and nothing else is."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.errors import InputError
from monitor.sites import bundle, keys
from monitor.sites.bundle import Content, VersionEntry
from monitor.sites.merge import merge
from monitor.store import site_windows
from tests.sites.test_merging import BASE, END, SITE, Month, agency, month, receive

__all__ = ["month"]


def of_baseline(content: Content, **changes: Any) -> Content:
    streams = [
        msgspec.structs.replace(
            one, baselines=[msgspec.structs.replace(base, **changes) for base in one.baselines]
        )
        for one in content.streams
    ]
    return msgspec.structs.replace(content, streams=streams)


def of_version(content: Content, **changes: Any) -> Content:
    version = msgspec.structs.replace(VersionEntry("7", 1.0, 2.0), **changes)
    streams = [msgspec.structs.replace(one, versions=[version]) for one in content.streams]
    return msgspec.structs.replace(content, streams=streams)


NAN, FAR = float("nan"), 1e300
HOSTILE = {
    "a baseline made at no time": lambda c: of_baseline(c, created_at=NAN),
    "a baseline made in another world": lambda c: of_baseline(c, created_at=FAR),
    "a baseline that begins beyond 64 bits": lambda c: of_baseline(c, start=2**64 - 1),
    "a baseline that ends before time": lambda c: of_baseline(c, end=-(2**63)),
    "a baseline of a name without end": lambda c: of_baseline(c, name="x" * 100_000),
    "a baseline with a name of control characters": lambda c: of_baseline(c, name="a\x00b"),
    "a baseline from a source of control characters": lambda c: of_baseline(c, source="a\x00\ud7ffb"),
    "a baseline from a source without end": lambda c: of_baseline(c, source="x" * 1_000_000),
    "a baseline with a digest without end": lambda c: of_baseline(c, digest="f" * 100_000),
    "a version first seen at no time": lambda c: of_version(c, first_seen=NAN),
    "a version last seen in another world": lambda c: of_version(c, last_seen=FAR),
    "a version last seen never": lambda c: of_version(c, last_seen=float("-inf")),
    "a version without end": lambda c: of_version(c, version="v" * 10_000),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_cannot_be_is_refused_whole(what: str, month: Month, tmp_path: Path) -> None:
    envelope = bundle.opened(month.bundles[-1])
    content = bundle.verified(envelope, month.sites[SITE].key)
    changed = HOSTILE[what](content)
    assert all(one.baselines for one in content.streams)
    private = keys.load(month.empty.parent / "plant" / "site.key", keys.SIGNING)
    store = agency(month, tmp_path)
    try:
        with pytest.raises(InputError):
            merge(store, bundle.pack(envelope.head, changed, private), month.sites, BASE, END)
        with store.read() as connection:
            assert site_windows.delivered(connection) == []
        assert receive(store, month, month.bundles) == []
    finally:
        store.close()
