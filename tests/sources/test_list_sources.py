"""`sources list`: one figure per source, however many daemons read it."""

import json
import time
from pathlib import Path

import pytest
import typer

from monitor.cli.commands.intake.sources import list_sources
from monitor.store import source_states
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.store.source_states import SourceState

CONFIG = """
store: {{url: "sqlite:///{folder}/watchkeeper.db"}}
sources:
  shared: {{kind: nats, servers: [nats-1], stream: ORDERS}}
  divided: {{kind: kafka, brokers: [kafka-1], topic: orders}}
"""


@pytest.mark.parametrize(("name", "waiting"), [("shared", 40), ("divided", 70)])
def test_what_waits_for_all_is_not_counted_once_per_daemon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, waiting: int
) -> None:
    config = tmp_path / "watchkeeper.yaml"
    config.write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    store = Store(f"sqlite:///{tmp_path}/watchkeeper.db")
    migrate(store)
    with store.write() as connection:
        for owner, count in (("a", 40), ("b", 30)):
            source_states.put(connection, owner, [SourceState(name, "x", waiting=count)], time.time())
    store.close()
    with pytest.raises(typer.Exit):  # nobody reads the other one
        list_sources(config, as_json=True)
    listed = json.loads(capsys.readouterr().out)
    assert next(one for one in listed if one["name"] == name)["waiting"] == waiting
