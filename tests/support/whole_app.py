"""The whole daemon inside one process, on a clock that the test moves."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from tests.support.log import NOW
from tests.support.ports import free_port


@contextmanager
def whole_app(folder: Path, clients: Mapping[str, Any]) -> Iterator[App]:
    """A daemon of these clients that takes records; it tells what it tells in `folder/told`."""
    config = Config.model_validate(
        {
            "store": {"url": f"sqlite:///{folder}/a.db"},
            "notify": {"console": False, "file": {"path": str(folder / "told")}},
            "clients": clients,
            "web": {"requests_per_minute": 100000, "listen": f"127.0.0.1:{free_port()}"},
        }
    )
    app = App(config, ManualClock(NOW))
    app.log.start()
    try:
        yield app
    finally:
        app.log.stop()
        app.store.close()
