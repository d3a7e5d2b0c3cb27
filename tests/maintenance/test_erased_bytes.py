"""What SQLite leaves in pages when it moves rows is gone after an erasure, also with a key."""

import random
from contextlib import closing
from pathlib import Path

import pytest

from monitor.store import erasing
from monitor.store.db import Store, sqlite_driver
from tests.support import schema

KEY = "a1" * 32


def crowd(store: Store) -> None:
    """Rows between which others come, so that SQLite moves them to other pages; then every third is deleted."""
    chance = random.Random(1)
    numbers = list(range(1500))
    chance.shuffle(numbers)
    with store.write() as connection:
        driver = sqlite_driver(connection)
        assert driver is not None
        driver.execute("CREATE TABLE crowd (id INTEGER PRIMARY KEY, content BLOB)")
        for number in numbers:
            text = (b"usual" if number % 3 else b"PLANTED") + b"%06d" % number
            driver.execute("INSERT INTO crowd VALUES (?, ?)", (number, text * chance.choice([7, 30, 69])))
        driver.execute("DELETE FROM crowd WHERE id % 3 = 0")


def content_of(path: Path, key: str) -> bytes:
    """The bytes of a database and its write-ahead log; the pages of an encrypted one as they are decrypted."""
    log = path.with_name(f"{path.name}-wal")
    if not key:
        return path.read_bytes() + log.read_bytes()
    assert not log.stat().st_size
    return decrypted(path, key)


def decrypted(path: Path, key: str) -> bytes:
    """Every page of an SQLCipher 4 database, with what its unused parts hold."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    raw, pages = path.read_bytes(), []
    for at in range(0, len(raw), 4096):
        page = raw[at : at + 4096]
        start = 16 if not at else 0  # the salt
        reserved = page[-80:]
        cipher = Cipher(algorithms.AES(bytes.fromhex(key)), modes.CBC(reserved[:16])).decryptor()
        pages.append(cipher.update(page[start:-80]))
    return b"".join(pages)


@pytest.mark.parametrize("key", ["", KEY], ids=["plain", "encrypted"])
def test_no_page_keeps_a_copy_of_what_was_deleted(tmp_path: Path, key: str) -> None:
    path = tmp_path / "watchkeeper.db"
    with closing(Store(f"sqlite:///{path}", key=key)) as store:
        schema.create(store)
        crowd(store)
        assert erasing.overwrite_deleted(store)
        left = content_of(path, key)
        assert b"usual00" in left, "pages are read"
        is_left = b"PLANTED" in left
        assert erasing.rewrite(store, is_alone=False)
        left = content_of(path, key)
        assert b"usual00" in left
        assert b"PLANTED" not in left
    assert is_left, "a copy was there before: otherwise this test shows nothing"
