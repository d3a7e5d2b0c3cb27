"""`watchkeeper incident`: list, write and withdraw, as the delivery lead does it at a terminal."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.registry import app
from monitor.clock import ManualClock
from monitor.errors import InputError, NotFoundError
from monitor.store.db import Store
from monitor.store.migrate import migrate
from tests.support.clients import CLIENTS, FRAUD, PRICE, Shop, fire


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shop = Shop(Store(f"sqlite:///{tmp_path}/clients.db"), ManualClock(0.0), CLIENTS)
    migrate(shop.store)
    for stream in (FRAUD, PRICE):
        fire(shop, stream, at=time.time() - 600)
    shop.store.close()
    (tmp_path / "watchkeeper.yaml").write_text(
        'store: {url: "sqlite:///clients.db"}\nclients: {acme: {models: {fraud: {title: Fraud check}}}, globex: {}}\n'
    )
    return tmp_path


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["incident", *words, "--config", str(folder / "watchkeeper.yaml")])


def test_an_update_is_written_listed_and_withdrawn(folder: Path) -> None:
    written = run(folder, "note", "acme/fraud/LowAccuracy", "We are on it.", "--author", "lea")
    assert written.exit_code == 0, written.output
    identity = written.stdout.strip()
    listed = run(folder, "list", "acme").stdout
    assert "acme/fraud/production  LowAccuracy" in listed
    assert "ongoing for 10 min" in listed
    assert f"{identity}  " in listed
    assert "lea: We are on it." in listed
    [one] = json.loads(run(folder, "list", "acme", "--json").stdout)
    assert one["notes"][0]["text"] == "We are on it."
    assert run(folder, "withdraw", identity).exit_code == 0
    assert "We are on it." not in run(folder, "list", "acme").stdout
    by_id = run(folder, "note", one["id"], "By its id.")
    assert by_id.exit_code == 0, by_id.output


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("note", "acme/fraud/Nothing", "x"), NotFoundError),
        (("note", "nobody/fraud/LowAccuracy", "x"), NotFoundError),
        (("note", "acme/fraud/LowAccuracy", " "), InputError),
        (("note", "acme/fraud/LowAccuracy", "x" * 1001), InputError),
        (("withdraw", "000000000000"), NotFoundError),
    ],
)
def test_what_cannot_be_done_says_why(folder: Path, words: tuple[str, ...], error: type[Exception]) -> None:
    assert isinstance(run(folder, *words).exception, error)
