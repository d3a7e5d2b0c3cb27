"""A site that is known signs numbers and texts that cannot be: all of the bundle is refused, and nothing else is."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from monitor.errors import InputError
from monitor.sites import bundle, keys
from monitor.sites.bundle import Content, VersionEntry
from monitor.sites.merge import _layouts, merge
from monitor.store import site_windows
from monitor.store.checksums import seal, unseal
from monitor.windows import codec
from monitor.windows.kernel import loss_model
from monitor.windows.kernel.loss_model import LossModel
from monitor.windows.layout import build
from monitor.windows.layout.from_table import BARE
from monitor.windows.layout.layout import Layout
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


def of_window(content: Content, changed: Callable[[bytes, Layout], bytes]) -> Content:
    """The same with another profile of its first window."""
    one, *others = content.windows
    layout = BARE if one.layout == BARE.id else build.decode(content.layouts[one.layout])
    blob = changed(one.blob, layout)
    return msgspec.structs.replace(content, windows=[msgspec.structs.replace(one, blob=blob), *others])


def counted(**changes: Any) -> Callable[[bytes, Layout], bytes]:
    """All slices of a profile with other numbers."""

    def changed(blob: bytes, layout: Layout) -> bytes:
        profile = codec.decode(blob, layout)
        slices = {key: replace(part, **changes) for key, part in profile.slices.items()}
        return codec.encode(replace(profile, slices=slices))

    return changed


def of_many_planes(blob: bytes, layout: Layout) -> bytes:
    """A few thousand bytes that become a hundred million."""
    fields = msgspec.msgpack.decode(unseal(blob))
    places, planes = sum(layout.core if one[5] else layout.size for one in fields[2]), fields[5]
    more = 100_000_000 // places
    fields[5:7] = more, fields[6] + (more - planes) * places
    fields[7] = codec._CODEC.compress(bytes(fields[6]), asbytes=True)
    return seal(msgspec.msgpack.encode(fields))


def of_many_entries(blob: bytes, _layout: Layout) -> bytes:
    """Slices that equal the whole, five million times: a tuple of two texts for each."""
    version, layout, slices, _, *rest = msgspec.msgpack.decode(unseal(blob), type=list[msgspec.Raw])
    same = msgspec.Raw(b"\xdd" + (8_000_000).to_bytes(4, "big") + b"\x92\xa0\xa0" * 8_000_000)
    return seal(msgspec.msgpack.encode([version, layout, slices, same, *rest]))


def cells_of(content: Content) -> int:
    """The cells of the columns of the first baseline."""
    layout = build.decode(content.layouts[content.streams[0].baselines[0].layout])
    return sum(len(column.cells) for column in layout.watched)


def loss(cells: int, value: float) -> bytes:
    """A model of errors with these coefficients."""
    return loss_model.encode(LossModel(value, np.full(cells, value), value, np.full((5, cells + 1), value)))


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
    "a model of errors that is none": lambda c: of_baseline(c, loss=b"junk"),
    "a model of errors of other cells": lambda c: of_baseline(c, loss=loss(7, 1.0)),
    "a model of errors without a number": lambda c: of_baseline(c, loss=loss(cells_of(c), NAN)),
    "a profile of many planes": lambda c: of_window(c, of_many_planes),
    "a profile of many entries": lambda c: of_window(c, of_many_entries),
    "as many rows as a number has": lambda c: of_window(c, counted(rows=2**63 - 1)),
    "more rows than a number has": lambda c: of_window(c, counted(rows=2**64 - 1)),
    "fewer rows than none": lambda c: of_window(c, counted(rows=-5)),
    "rows of no weight": lambda c: of_window(c, counted(weight=NAN)),
    "rows of endless weight": lambda c: of_window(c, counted(weight=FAR, weight_squares=float("inf"))),
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
    store, packed = agency(month, tmp_path), bundle.pack(envelope.head, changed, private)
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            merge(store, packed, month.sites, BASE, END)
        assert tracemalloc.get_traced_memory()[1] < 90e6
        with store.read() as connection:
            assert site_windows.delivered(connection) == []
        assert receive(store, month, month.bundles) == []
    finally:
        tracemalloc.stop()
        store.close()


def test_layouts_are_limited_all_together() -> None:
    told = {f"{n:016x}": (2**26).to_bytes(8, "little") for n in range(5)}
    with pytest.raises(InputError, match="the layouts of the bundle are too large"):
        _layouts(Content([], told, []))
