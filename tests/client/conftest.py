"""One daemon for all tests of a process that do not harm it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from watchkeeper_client import Client, Limits

from tests.support.daemon import Daemon

QUICK = Limits(linger=0.05, request_timeout=5.0, exit_timeout=3.0)


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Without configured clients, it takes every model's records."""
    with Daemon(tmp_path_factory.mktemp("daemon")) as running:
        yield running


@pytest.fixture
def model(request: pytest.FixtureRequest) -> str:
    """A model for each test."""
    return request.node.name.replace("/", "_")[:100]


@pytest.fixture
def client(daemon: Daemon, model: str) -> Iterator[Client]:
    """A client of that daemon."""
    with Client(daemon.url, client="acme", model=model, version="7", limits=QUICK) as made:
        yield made


@pytest.fixture
def stores(daemon: Daemon) -> Path:
    """Where that daemon keeps its rows."""
    return daemon.folder
