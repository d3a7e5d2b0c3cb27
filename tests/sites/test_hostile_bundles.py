"""Bundles that are small as files and large as objects, nested without end, or of other kinds than they say."""

import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import msgspec
import pytest

from monitor.errors import InputError
from monitor.sites import bundle, keys
from monitor.sites.bundle import Content, Head
from monitor.sites.receiving import REFUSED, Inboxes
from monitor.sites.settings import KnownSite
from tests.support.log import NOW, running

HEAD = Head("plant", "0" * 32, 1, "", 1, "", NOW, 1)
STREAM = b"\x96" + b"\xa0" * 3 + b"\xc0" + b"\x90" * 2
WINDOW = b"\x96\x00\x00\x00\xa0\xc4\x00\x90"


def parts(**named: bytes) -> bytes:
    """A body of parts that are encoded already."""
    whole = {"streams": b"\x90", "layouts": b"\x80", "windows": b"\x90"} | named
    return bytes([0x80 | len(whole)]) + b"".join(_text(name) + part for name, part in whole.items())


def many(one: bytes, amount: int = 3_000_000) -> bytes:
    """A long array of the same entry."""
    return b"\xdd" + amount.to_bytes(4, "big") + one * amount


def _text(text: str) -> bytes:
    return msgspec.msgpack.encode(text)


BOMBS: Mapping[str, Callable[[], bytes]] = {
    "3,000,000 streams": lambda: parts(streams=many(STREAM)),
    "3,000,000 windows": lambda: parts(windows=many(WINDOW)),
    "3,000,000 alerts": lambda: parts(alerts=many(b"\xc4\x02ab")),
    "3,000,000 versions": lambda: parts(streams=b"\x91" + STREAM[:-1] + many(b"\x93\xa0\x00\x00")),
    "3,000,000 baselines": lambda: parts(streams=b"\x91" + STREAM[:-2] + many(b"\xc0") + b"\x90"),
    "3,000,000 earlier profiles": lambda: parts(windows=b"\x91" + WINDOW[:-1] + many(b"\xc0")),
    "3,000,000 parts": lambda: b"\xdf" + (3_000_000).to_bytes(4, "big") + b"\xa1a\xc0" * 3_000_000,
    "a duplicate part": lambda: b"\x84" + parts(streams=many(STREAM))[1:] + _text("streams") + b"\x90",
    "recursion": lambda: parts(more=b"\x91" * 200_000 + b"\xc0"),
    "cannot be read": lambda: b"\x91\xc0",
}


@pytest.fixture
def private(tmp_path: Path) -> object:
    keys.create(tmp_path / "site.key", keys.SIGNING)
    return keys.load(tmp_path / "site.key", keys.SIGNING)


def signed(body: bytes, private: object) -> bytes:
    raw_head = msgspec.msgpack.encode(msgspec.structs.replace(HEAD, size=len(body)))
    packed = bundle._CODEC.compress(body, asbytes=True)
    signature = private.sign(bundle._signed(raw_head, packed))  # type: ignore[attr-defined]
    return b"".join((bundle.MAGIC, bundle._LENGTH.pack(len(raw_head)), raw_head, signature, packed))


@pytest.mark.parametrize("reason", BOMBS)
def test_a_small_bundle_that_would_be_large_as_objects_is_refused(reason: str, private: object) -> None:
    body = BOMBS[reason]()
    packed = signed(body, private)
    assert len(packed) < 10_000
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=reason):
            bundle.verified(bundle.opened(packed), keys.public_of(private, keys.SIGNING))
        assert tracemalloc.get_traced_memory()[1] < 2 * len(body) + 10e6
    finally:
        tracemalloc.stop()


def nested() -> bytes:
    """A file of nobody, whose head is nested without end: it is read before the signature is."""
    raw = msgspec.msgpack.encode(HEAD)
    raw = bytes([raw[0] + 1]) + raw[1:] + _text("x") + b"\x91" * 3000 + b"\xc0"
    return bundle.MAGIC + bundle._LENGTH.pack(len(raw)) + raw + b"s" * 65


def test_a_head_that_is_nested_without_end_is_no_bundle(private: object) -> None:
    """How deep is too deep depends on the version of Python; nobody has signed it in any case."""
    public = keys.public_of(private, keys.SIGNING)
    with pytest.raises(InputError, match=r"recursion|signature"):
        bundle.verified(bundle.opened(nested()), public)


def test_law_any_bytes_are_a_bundle_or_none(private: object) -> None:
    public = keys.public_of(private, keys.SIGNING)
    whole = bundle.pack(HEAD, Content([], {}, []), private)
    assert bundle.verified(bundle.opened(whole), public) == Content([], {}, [])
    for seed in range(400):
        chance = Random(seed)
        content = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        cut = bytes(content[: chance.randint(0, len(content))])
        if cut != whole:
            with pytest.raises(InputError):
                bundle.verified(bundle.opened(cut), public)
        body = bytearray(parts(streams=b"\x91" + STREAM, windows=b"\x91" + WINDOW))
        for _ in range(chance.randint(1, 4)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        try:  # signed by the site itself
            bundle.verified(bundle.opened(signed(bytes(body), private)), public)
        except InputError:
            continue


def test_files_that_are_no_bundles_lie_apart_and_stop_no_other(tmp_path: Path, private: object) -> None:
    inbox, outside = tmp_path / "inbox", tmp_path / "secret"
    inbox.mkdir()
    outside.write_bytes(b"secret")
    (inbox / "1.wkb").write_bytes(nested())
    (inbox / "2.wkb").symlink_to(outside)
    (inbox / "3.wkb").mkdir()
    (inbox / "..4\u202e\n.wkb").write_bytes(signed(BOMBS["3,000,000 streams"](), private))
    with running(tmp_path) as (_, store):
        site = KnownSite(client="acme", key=keys.public_of(private, keys.SIGNING), inbox=str(inbox))
        inboxes = Inboxes(store, {"plant": site}, 60)
        for _ in range(2):
            inboxes.look(NOW)
    assert [path.name for path in inbox.iterdir()] == [REFUSED]
    reasons = {path.name: path.read_text() for path in (inbox / REFUSED).glob("*.txt")}
    assert len(reasons) == 4
    assert not any("secret" in text for text in reasons.values())
    assert outside.read_bytes() == b"secret"
