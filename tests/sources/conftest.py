"""A store of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.store.db import Store
from monitor.store.migrate import migrate
from tests.support.lakes import s3_server


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path}/watchkeeper.db")
    migrate(store)
    yield store
    store.close()


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a stand-in for S3 and SQS."""
    with s3_server(tmp_path_factory.mktemp("moto")) as address:
        yield address
