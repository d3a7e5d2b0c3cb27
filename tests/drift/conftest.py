"""Streams in a store: one without data, and one that was learned from ten days."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from monitor.store.db import Store
from tests.support.drift_scenario import DAY, START, DriftScenario, begun, fresh
from tests.support.postgresql import postgresql


@pytest.fixture(params=["sqlite", "postgresql"])
def scenario_on_both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DriftScenario]:
    """A stream of which nothing came yet, in either database."""
    if request.param == "sqlite":
        made = fresh(tmp_path)
        yield made
        made.store.close()
        return
    with postgresql() as server:
        made = begun(Store(server.url))
        yield made
        made.store.close()


@pytest.fixture
def scenario(tmp_path: Path) -> Iterator[DriftScenario]:
    """A stream of which nothing came yet."""
    made = fresh(tmp_path)
    yield made
    made.store.close()


@pytest.fixture(scope="session")
def ten_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a stream with ten days of history, learned from."""
    folder = tmp_path_factory.mktemp("learned")
    made = fresh(folder)
    made.write(10 * DAY)
    assert made.prepare()
    assert not made.prepare()
    made.store.close()
    return folder / "state.db"


@pytest.fixture
def learned(ten_days: Path, tmp_path: Path) -> Iterator[DriftScenario]:
    """A copy of the learned stream."""
    shutil.copy(ten_days, tmp_path / "state.db")
    made = DriftScenario(Store(f"sqlite:///{tmp_path}/state.db"), np.random.default_rng(5), START + 10 * DAY)
    yield made
    made.store.close()
