"""Encrypts files with a key of the configuration (AES-256-GCM), each kind of file with a key of its own."""

import os
from typing import Any

from monitor.errors import StoreError

_VERSION = b"WKE1"
_NONCE = 12


class Sealer:
    """Encrypts and decrypts the files of one purpose. `key` are 32 bytes; `purpose` is a word such as `reports`."""

    def __init__(self, key: bytes, purpose: str) -> None:
        self._purpose = purpose.encode()
        self._cipher = _cipher(key, self._purpose)

    def seal(self, content: bytes) -> bytes:
        """The content, encrypted."""
        nonce = os.urandom(_NONCE)
        sealed: bytes = self._cipher.encrypt(nonce, content, _VERSION + self._purpose)
        return _VERSION + nonce + sealed

    def unseal(self, sealed: bytes) -> bytes:
        """The content that was sealed.

        Raises:
            StoreError: it was sealed with another key, for another purpose, or was changed.
        """
        from cryptography.exceptions import InvalidTag

        head = len(_VERSION) + _NONCE
        try:
            if not is_sealed(sealed):
                raise InvalidTag
            nonce = sealed[len(_VERSION) : head]
            content: bytes = self._cipher.decrypt(nonce, sealed[head:], _VERSION + self._purpose)
        except InvalidTag:
            hint = "was store.key changed without `watchkeeper store rekey`?"
            raise StoreError("it was encrypted with another key, or was changed", hint=hint) from None
        return content


def is_sealed(content: bytes) -> bool:
    """Whether bytes are encrypted."""
    return content.startswith(_VERSION)


def sealer_of(key: str, purpose: str) -> Sealer | None:
    """What encrypts the files of one purpose with `store.key`, 64 hexadecimal digits; None without a key."""
    return Sealer(bytes.fromhex(key), purpose) if key else None


def _cipher(key: bytes, purpose: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    except ModuleNotFoundError as error:
        hint = "pip install 'watchkeeper[encryption]'"
        raise StoreError(f"encryption needs {error.name}, which is not installed", hint=hint) from error
    return AESGCM(HKDF(hashes.SHA256(), 32, None, b"watchkeeper " + purpose).derive(key))
