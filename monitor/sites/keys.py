"""The keys of sites: Ed25519 to sign bundles, X25519 to encrypt them for the agency.

A private key is a file of one line that only its user may read; a public key is one line for the configuration of the
other side, such as `ed25519:mK4...`.
"""

import base64
import binascii
import os
from importlib import import_module
from pathlib import Path
from typing import Any

from monitor.errors import InputError
from monitor.runtime.file_modes import PRIVATE_FILE

SIGNING, SEALING = "ed25519", "x25519"
SIGNATURE = 64
"""Bytes of a signature."""
_SIZE, _NONCE = 32, 12
_PURPOSE = b"watchkeeper site bundle"
_HINT = "pip install 'watchkeeper[sites]'"


def create(path: Path, kind: str) -> str:
    """Write a new private key to a file that must not exist; the public key.

    Raises:
        InputError: the file exists, or cannot be written.
    """
    private = _private(kind, os.urandom(_SIZE))
    text = f"{kind}-private:{base64.b64encode(private.private_bytes_raw()).decode()}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise InputError(f"{path} already exists", hint="a key is never overwritten") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    return public_of(private, kind)


def load(path: Path, kind: str) -> Any:
    """The private key in a file.

    Raises:
        InputError: it cannot be read, or is no such key.
    """
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        hint = "`watchkeeper site init` creates it"
        raise InputError(f"the key {path} cannot be read: {error}", hint=hint) from error
    prefix, _, encoded = text.partition(":")
    raw = _bytes(encoded)
    if prefix != f"{kind}-private" or raw is None:
        raise InputError(f"{path} is not a private {kind} key", hint="`watchkeeper site init` creates one")
    return _private(kind, raw)


def public_of(private: Any, kind: str) -> str:
    """The public key of a private one, as text."""
    return f"{kind}:{base64.b64encode(private.public_key().public_bytes_raw()).decode()}"


def flaw_of(text: str, kind: str) -> str:
    """Why a text is no public key of this kind; empty if it is."""
    prefix, _, encoded = text.partition(":")
    if prefix != kind or _bytes(encoded) is None:
        return f"is not a public key: it starts with {kind}: followed by 44 characters"
    return ""


def is_signed(public: str, signature: bytes, content: bytes) -> bool:
    """Whether the owner of a public key has signed this."""
    module = _module("ed25519")
    exceptions = import_module("cryptography.exceptions")
    raw = _bytes(public.partition(":")[2])
    try:
        module.Ed25519PublicKey.from_public_bytes(raw).verify(signature, content)
    except (exceptions.InvalidSignature, ValueError, TypeError):
        return False
    return True


def seal(public: str, content: bytes, head: bytes) -> bytes:
    """Encrypt for the owner of a public key; `head` is authenticated with it.

    Each call makes a key pair of its own; only the private key of the recipient opens the result.
    """
    module = _module("x25519")
    recipient = _bytes(public.partition(":")[2])
    assert recipient is not None
    own = module.X25519PrivateKey.generate()
    ours = own.public_key().public_bytes_raw()
    shared = own.exchange(module.X25519PublicKey.from_public_bytes(recipient))
    nonce = os.urandom(_NONCE)
    sealed: bytes = _cipher(shared, ours + recipient).encrypt(nonce, content, head)
    return bytes(ours) + nonce + sealed


def unseal(private: Any, sealed: bytes, head: bytes) -> bytes:
    """What was encrypted for this key.

    Raises:
        InputError: it was encrypted for another one, or was changed.
    """
    module = _module("x25519")
    exceptions = import_module("cryptography.exceptions")
    theirs, nonce = sealed[:_SIZE], sealed[_SIZE : _SIZE + _NONCE]
    recipient = private.public_key().public_bytes_raw()
    try:
        shared = private.exchange(module.X25519PublicKey.from_public_bytes(theirs))
        content: bytes = _cipher(shared, theirs + recipient).decrypt(nonce, sealed[_SIZE + _NONCE :], head)
    except (exceptions.InvalidTag, ValueError) as error:
        hint = "compare `site.encrypt_for` at the site with the public key of `decrypt_with`"
        raise InputError("the bundle is encrypted for another key", hint=hint) from error
    return content


def _cipher(shared: bytes, salt: bytes) -> Any:
    ciphers = import_module("cryptography.hazmat.primitives.ciphers.aead")
    hashes = import_module("cryptography.hazmat.primitives.hashes")
    derivation = import_module("cryptography.hazmat.primitives.kdf.hkdf")
    return ciphers.AESGCM(derivation.HKDF(hashes.SHA256(), 32, salt, _PURPOSE).derive(shared))


def _private(kind: str, raw: bytes) -> Any:
    if kind == SIGNING:
        return _module("ed25519").Ed25519PrivateKey.from_private_bytes(raw)
    return _module("x25519").X25519PrivateKey.from_private_bytes(raw)


def _module(name: str) -> Any:
    try:
        return import_module(f"cryptography.hazmat.primitives.asymmetric.{name}")
    except ModuleNotFoundError as error:
        raise InputError("sites need the package cryptography, which is not installed", hint=_HINT) from error


def _bytes(encoded: str) -> bytes | None:
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == _SIZE else None
