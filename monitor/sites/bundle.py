"""The file format of bundles: `WKB1`, a head in the clear, a signature, a compressed body that may be encrypted.

The signature covers everything else. Names of files carry no meaning. What is read here comes from outside: sizes are
checked before anything is decompressed.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

from monitor.errors import InputError, TooLargeError
from monitor.sites import keys
from monitor.text_limits import flaw_of_name
from monitor.windows.delivered.bases import EncodedBase

MAGIC, SUFFIX = b"WKB1", ".wkb"
LARGEST_FILE = 64 * 1024**2
LARGEST_BODY = 256 * 1024**2
_LARGEST_HEAD = 4096
_LENGTH = struct.Struct("<I")
_CODEC = pa.Codec("zstd", compression_level=6)
_CUT = "it is cut or no bundle: copy it again"


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """What everyone may read of a bundle: whose it is and its place in the chain. `size` is that of the body."""

    site: str
    epoch: str
    number: int
    parent: str
    seq: int
    previous: str
    made_at: float
    size: int
    is_sealed: bool = False


class BaselineEntry(msgspec.Struct, array_like=True, frozen=True):
    """A baseline without its sample of rows."""

    name: str
    created_at: float
    source: str
    start: int | None
    end: int | None
    layout: str
    digest: str
    blob: bytes
    loss: bytes


class VersionEntry(msgspec.Struct, array_like=True, frozen=True):
    """A version of a model with its first and last base window."""

    version: str
    first_seen: float
    last_seen: float


class StreamEntry(msgspec.Struct, array_like=True, frozen=True):
    """A stream of the site: the newest event that its closed windows cover, its baselines and versions."""

    client: str
    model: str
    environment: str
    watermark: float | None
    baselines: list[BaselineEntry]
    versions: list[VersionEntry]


class WindowEntry(msgspec.Struct, array_like=True, frozen=True):
    """The profile of one window of the stream with this index, and what it was when epochs began."""

    stream: int
    seconds: int
    start: int
    layout: str
    blob: bytes
    bases: list[EncodedBase]


class Content(msgspec.Struct, frozen=True):
    """The body of a bundle. `alerts` and `transitions` are JSON, `is_judging` says that the site tells of its alerts
    itself, `waiting` is how many windows the site still has to bundle.
    """

    streams: list[StreamEntry]
    layouts: dict[str, bytes]
    windows: list[WindowEntry]
    alerts: list[bytes] = []
    transitions: list[bytes] = []
    is_judging: bool = False
    waiting: int = 0


class _RawStream(msgspec.Struct, array_like=True, frozen=True):
    client: msgspec.Raw
    model: msgspec.Raw
    environment: msgspec.Raw
    watermark: msgspec.Raw
    baselines: msgspec.Raw
    versions: msgspec.Raw


class _RawWindow(msgspec.Struct, array_like=True, frozen=True):
    stream: msgspec.Raw
    seconds: msgspec.Raw
    start: msgspec.Raw
    layout: msgspec.Raw
    blob: msgspec.Raw
    bases: msgspec.Raw


MOST_WINDOWS = 2000
_MOST_ENTRIES = {
    "streams": 10_000,
    "layouts": 10_000,
    "windows": MOST_WINDOWS,
    "alerts": 100_000,
    "transitions": 100_000,
}
_MOST_PARTS, _MOST_INSIDE = 100, 100_000
"""Parts of a body, of which newer versions may have more; and baselines, versions and earlier profiles in all of it."""
_PARTS = msgspec.msgpack.Decoder(dict[str, msgspec.Raw])
_RAW_STREAMS = msgspec.msgpack.Decoder(list[_RawStream])
_RAW_WINDOWS = msgspec.msgpack.Decoder(list[_RawWindow])
_COUNTS = {
    kind: struct.Struct(form)
    for kinds, form in (((0xDC, 0xDE), ">H"), ((0xDD, 0xDF), ">I"))
    for kind in kinds
}
"""How MessagePack writes the length of a long array or map, by the byte before it."""
_HEAD = msgspec.msgpack.Decoder(Head)
_CONTENT = msgspec.msgpack.Decoder(Content)


@dataclass(frozen=True, slots=True)
class Envelope:
    """The parts of a bundle's file. `digest` is the hash of the whole file, which the next bundle names."""

    head: Head
    raw_head: bytes
    signature: bytes
    body: bytes
    digest: str


def pack(head: Head, content: Content, private: Any, encrypt_for: str = "") -> bytes:
    """The bytes of a signed bundle.

    Raises:
        TooLargeError: it would be larger than any reader accepts.
    """
    raw = msgspec.msgpack.encode(content)
    if len(raw) > LARGEST_BODY:
        raise TooLargeError(f"the bundle has {len(raw):,} bytes", hint="bundle more often")
    whole = msgspec.structs.replace(head, size=len(raw), is_sealed=bool(encrypt_for))
    raw_head = msgspec.msgpack.encode(whole)
    body = bytes(_CODEC.compress(raw, asbytes=True))
    if encrypt_for:
        body = keys.seal(encrypt_for, body, raw_head)
    signature = private.sign(_signed(raw_head, body))
    packed = b"".join((MAGIC, _LENGTH.pack(len(raw_head)), raw_head, signature, body))
    if len(packed) > LARGEST_FILE:
        raise TooLargeError(f"the bundle has {len(packed):,} bytes", hint="bundle more often")
    return packed


def opened(packed: bytes) -> Envelope:
    """The parts of a bundle. Nothing in it is verified yet.

    Raises:
        InputError: it is no bundle.
    """
    if len(packed) > LARGEST_FILE:
        raise TooLargeError(f"it has {len(packed):,} bytes, more than {LARGEST_FILE:,}")
    if packed[:4] != MAGIC or len(packed) < 8:
        raise InputError("it is not a site bundle", hint=_CUT)
    (length,) = _LENGTH.unpack_from(packed, 4)
    end = 8 + length + keys.SIGNATURE
    if length > _LARGEST_HEAD or len(packed) < end:
        raise InputError("the head of the bundle is incomplete", hint=_CUT)
    raw_head = packed[8 : 8 + length]
    try:
        head = _HEAD.decode(raw_head)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InputError(f"the head of the bundle cannot be read: {error}"[:300], hint=_CUT) from error
    _check(head)
    digest = hashlib.sha256(packed).hexdigest()
    return Envelope(head, raw_head, packed[8 + length : end], packed[end:], digest)


def verified(envelope: Envelope, public: str, decrypt_with: Any = None) -> Content:
    """The content of a bundle that the owner of the public key has signed.

    Raises:
        InputError: the signature is wrong, it cannot be decrypted, or its content is damaged.
    """
    if not keys.is_signed(public, envelope.signature, _signed(envelope.raw_head, envelope.body)):
        hint = (
            "it was changed on the way, or the site has another key: compare `watchkeeper site status` there"
        )
        raise InputError("the signature is wrong", hint=hint)
    body = envelope.body
    if envelope.head.is_sealed:
        if decrypt_with is None:
            raise InputError("the bundle is encrypted", hint="set `decrypt_with` of this site")
        body = keys.unseal(decrypt_with, body, envelope.raw_head)
    try:
        raw = _CODEC.decompress(body, envelope.head.size, asbytes=True) if envelope.head.size else b""
        _check_counts(raw)
        return _CONTENT.decode(raw)
    except InputError:
        raise
    except (
        msgspec.MsgspecError,
        pa.ArrowException,
        ValueError,
        OSError,
        MemoryError,
        RecursionError,
    ) as error:
        raise InputError(f"the content of the bundle cannot be read: {error}"[:300]) from error


def _check_counts(raw: bytes) -> None:
    """Refuse a body that would be much larger as objects: an entry of three bytes takes hundreds of them.

    Raises:
        InputError: it has too many entries, or one of its parts twice.
    """
    _check_count("parts", _count(raw), _MOST_PARTS)
    parts = _PARTS.decode(raw)
    if len(parts) != _count(raw):
        raise InputError("the bundle has a duplicate part")
    for name, most in _MOST_ENTRIES.items():
        if name in parts:
            _check_count(name, _count(parts[name]), most)
    streams = _RAW_STREAMS.decode(parts["streams"]) if "streams" in parts else []
    windows = _RAW_WINDOWS.decode(parts["windows"]) if "windows" in parts else []
    for name, inside in (
        ("baselines", [stream.baselines for stream in streams]),
        ("versions", [stream.versions for stream in streams]),
        ("earlier profiles", [window.bases for window in windows]),
    ):
        _check_count(name, sum(map(_count, inside)), _MOST_INSIDE)


def _check_count(name: str, count: int, most: int) -> None:
    if count > most:
        raise TooLargeError(f"the bundle has {count:,} {name}, more than {most:,}")


def _count(raw: bytes | msgspec.Raw) -> int:
    """The length of an encoded array or map; 0 for anything else."""
    content = memoryview(raw)
    kind = content[0] if content else 0
    if kind in _COUNTS:
        return int(_COUNTS[kind].unpack_from(content, 1)[0])
    return kind & 0x0F if 0x80 <= kind < 0xA0 else 0


def _signed(raw_head: bytes, body: bytes) -> bytes:
    return b"".join((MAGIC, _LENGTH.pack(len(raw_head)), raw_head, body))


def _check(head: Head) -> None:
    """Raise InputError if the head is inconsistent."""
    if flaw := flaw_of_name(head.site):
        raise InputError(f"the name of the site {flaw}")
    hashes = ((head.epoch, (32,)), (head.parent, (0, 32)), (head.previous, (0, 64)))
    if any(len(text) not in sizes or set(text) - set("0123456789abcdef") for text, sizes in hashes):
        raise InputError("the bundle's place in the chain cannot be read")
    if not (1 <= head.seq < 2**31 and 1 <= head.number < 2**31 and abs(head.made_at) < 1e11):
        raise InputError("the bundle's number or time is out of range")
    if not 0 < head.size <= LARGEST_BODY:
        raise TooLargeError(f"the bundle would decompress to {head.size:,} bytes")
