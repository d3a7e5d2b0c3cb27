"""A store of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.store.db import Store
from monitor.store.migrate import migrate


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path}/watchkeeper.db")
    migrate(store)
    yield store
    store.close()
