"""The profiles that a window had when epochs of a site began, as bytes."""

import msgspec

from monitor.store.checksums import reading, seal, unseal


class EncodedBase(msgspec.Struct, array_like=True, frozen=True):
    """The profile of a window when `epoch` began, a moment in the history of the epoch `parent`."""

    epoch: str
    parent: str
    layout: str
    blob: bytes


_DECODER = msgspec.msgpack.Decoder(list[EncodedBase])


def encode(bases: list[EncodedBase]) -> bytes:
    """Encode bases; no bytes for none."""
    return seal(msgspec.msgpack.encode(bases)) if bases else b""


def decode(blob: bytes) -> list[EncodedBase]:
    """Decode the bytes of `encode`.

    Raises:
        DamageError: the bytes were changed.
    """
    with reading("what a site began with"):
        return _DECODER.decode(unseal(blob)) if blob else []
