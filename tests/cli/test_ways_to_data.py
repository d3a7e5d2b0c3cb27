"""Where a daemon runs, commands read and change data through its API; those that open the store are listed."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from monitor.cli import daemon_client
from monitor.cli.daemon_client import RunningDaemon
from monitor.errors import AccessError, StoreError
from monitor.store.db import Store
from tests.cli.test_commands import commands
from tests.cli.test_examples import EXAMPLES, called
from tests.cli.test_examples import place as place  # a fixture

_ROWS = "reads rows of days, more than an answer holds; it asks for permission first"
_LONG = "works for minutes on files, and writes what it has counted; it asks for permission first"
_WHOLE = "works on the whole database, for admins of all clients"
OPENS_STORE = {
    "report": _ROWS,
    "export predictions": _ROWS,
    "backtest": _ROWS,
    "parity": _ROWS,
    "gate": _ROWS,
    "loadtest": _ROWS,
    "anonymise": _ROWS,
    "expectations suggest": _ROWS,
    "rollback plan": "writes a document from the configuration here and a read of the model; asks for permission first",
    "load": _LONG,
    "profile": _LONG,
    "baseline set": _LONG,
    "rollback drill": "practises in this process, with the executor of drills; it asks for permission first",
    "digest send": "puts into the outbox what the daemon's own job would; it asks for permission first",
    "site init": "makes the key of this machine's site; it asks for permission first",
    "site bundle": "makes files in this machine's outbox; it asks for permission first",
    "site import": "reads bundles from a folder of this machine; it asks for permission first",
    "audit export": "prints the whole log; for admins of all clients",
    "audit verify": "checks the whole log against files of this machine; for admins of all clients",
    "audit report": "looks at every table and the configuration; for admins of all clients",
    "erase": _WHOLE,
    "backup": _WHOLE,
    "restore": _WHOLE,
    "store encrypt": _WHOLE,
    "store rekey": _WHOLE,
    "store check": _WHOLE,
    "store decrypt": _WHOLE,
}
"""Commands that open the store although a daemon runs, and why."""
IS_THE_DAEMON = {
    "run": "is the daemon",
    "demo": "runs a daemon of its own",
    "doctor": "asks whether there is a store",
}
STAYS = {
    "relay run": "stays in the foreground",
    "profile": "its example reads a bucket",
    "demo": "needs minutes",
}
_OPENS = re.compile(r"\b(?:opened|made|store_of|opened_store)\(|\bStore\(|\bAuditedStore\(")
_ASKS = "daemon_client.running("


def code_of(function: Any) -> Iterator[str]:
    """The code of a function and of those of its module that it calls."""
    module, seen, waiting = inspect.getmodule(function), set[str](), [inspect.unwrap(function)]
    while waiting:
        source = inspect.getsource(waiting.pop())
        yield source
        for name in set(re.findall(r"\b(\w+)\(", source)) - seen:
            seen.add(name)
            other = vars(module).get(name)
            if isinstance(other, FunctionType) and other.__module__ == function.__module__:
                waiting.append(other)


def test_each_command_that_opens_the_store_asks_the_daemon_or_is_listed() -> None:
    found = set()
    for words, command in commands():
        code = "\n".join(code_of(command.callback))  # type: ignore[attr-defined]
        if _OPENS.search(code) and _ASKS not in code:
            found.add(" ".join(words))
    assert found - IS_THE_DAEMON.keys() == OPENS_STORE.keys()


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in IS_THE_DAEMON.keys() | STAYS])
def test_with_a_key_no_other_command_opens_the_store(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def refuse(_store: Store, *_given: Any, **_named: Any) -> None:
        opened.append(name)
        raise StoreError("opened")

    def answer(_daemon: RunningDaemon, _method: str, path: str, *_given: Any, **_sent: Any) -> dict[str, str]:
        if path.endswith("/commands"):
            return {"role": "admin"}
        raise AccessError("asked")

    monkeypatch.setattr(Store, "__init__", refuse)
    monkeypatch.setattr(RunningDaemon, "_ask", answer)
    monkeypatch.setenv(daemon_client.KEY, "wk_key")
    called(EXAMPLES[name].replace("init watchkeeper.yaml", "init newer.yaml"), place, monkeypatch)
    assert not opened or name in OPENS_STORE
