"""The candidate on the inputs of production: a function or a command, and whatever a command may do wrong."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from monitor.cli.registry import app
from monitor.errors import InputError
from monitor.gating import Outcome, gate
from monitor.gating.inputs import ColumnRoles
from monitor.gating.replay import replay
from monitor.gating.replay.command import Command
from monitor.gating.replay.stored_items import stored_items
from monitor.gating.result import from_dict
from monitor.records import Stream
from monitor.rules.rule import RuleSet
from monitor.store.db import Store
from tests.support.joining import join

STREAM = Stream("acme", "fraud")
N = 3000
CONFIG = """\
store: {url: "sqlite:///watch.db"}
clients: {acme: {models: {fraud: {}}}}
"""
START = pd.Timestamp.now("UTC").floor("h") - pd.Timedelta(days=2)
END = START.timestamp() + 7_200


def rows() -> pd.DataFrame:
    """What production answered: fraud above 100, and the truth, which also depends on the age."""
    rng = np.random.default_rng(0)
    amount, age = rng.uniform(0, 200, N), rng.integers(18, 80, N)
    truth = np.where(amount + (age - 49) + rng.normal(0, 20, N) > 100, "fraud", "ok")
    return pd.DataFrame(
        {
            "id": [f"order {n}" for n in range(N)],
            "timestamp": START + pd.to_timedelta(np.sort(rng.uniform(0, 3_500, N)), unit="s"),
            "amount": amount,
            "age": age,
            "country": rng.choice(["DE", "FR"], N),
            "prediction": np.where(amount > 100, "fraud", "ok"),
            "version": "7",
            "truth": np.where(rng.random(N) < 0.9, truth, None),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("replay")
    (place / "watchkeeper.yaml").write_text(CONFIG)
    rows().to_parquet(place / "history.parquet")
    words = ["load", "acme/fraud", str(place / "history.parquet"), "-c", str(place / "watchkeeper.yaml")]
    loaded = CliRunner().invoke(app, words)
    assert loaded.exit_code == 0, loaded.output
    with Store(
        f"sqlite:///{place}/watch.db"
    ).write() as connection:  # the daemon joins outcomes as they arrive
        while join(connection, STREAM, END):
            pass
    return place


@pytest.fixture(scope="module")
def store(folder: Path) -> Store:
    return Store(f"sqlite:///{folder}/watch.db")


def better(items: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for item in items:
        inputs = item["features"]
        above = inputs["amount"] + inputs["age"] - 49 > 100
        yield {"id": item["id"], "prediction": "fraud" if above else "ok"}


def test_a_function_answers_what_production_was_asked(store: Store) -> None:
    items = replay(store, STREAM, START.timestamp(), END, better, ColumnRoles(segments=["country"]))
    found = gate(items, rules=RuleSet(), draws=200)
    table = rows()
    known = table["truth"].notna()
    accuracy = found.metric("accuracy")
    assert accuracy is not None
    assert (found.items, accuracy.n) == (N, known.sum())
    assert accuracy.baseline == pytest.approx((table["prediction"] == table["truth"])[known].mean())
    above = np.where(table["amount"] + table["age"] - 49 > 100, "fraud", "ok")
    assert accuracy.candidate == pytest.approx((above == table["truth"])[known].mean())
    assert found.outcome is Outcome.PASS
    assert "production answered with version 7 (3,000)" in found.notes
    assert set(items.segments["country"].to_pylist()) == {"DE", "FR"}


def test_more_items_than_asked_for_are_sampled_alike(store: Store) -> None:
    samples = [stored_items(store, STREAM, START.timestamp(), END, 100) for _ in range(2)]
    ids = [one.rows.column("id").to_pylist() for one in samples]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 100
    assert "replayed: 100 of 3,000 items, a sample by the hash of the id" in samples[0].notes
    line = json.loads(next(iter(samples[0].lines())))
    assert line.keys() == {"id", "timestamp", "features", "segments"}
    assert line["features"].keys() == {"amount", "age", "country"}


def test_without_stored_inputs_there_is_nothing_to_replay(store: Store) -> None:
    with pytest.raises(InputError, match="no predictions of acme/loans/production are stored"):
        replay(store, Stream("acme", "loans"), START.timestamp(), END, better)


ANSWER = """
import json, sys
for line in sys.stdin:
    item = json.loads(line)
    inputs = item["features"]
    above = inputs["amount"] + inputs["age"] - 49 > 100
    print(json.dumps({"id": item["id"], "label": "fraud" if above else "ok"}))
"""


def test_a_command_of_the_command_line(folder: Path) -> None:
    (folder / "predict.py").write_text(ANSWER)
    words = [
        "--model",
        "acme/fraud",
        "-c",
        str(folder / "watchkeeper.yaml"),
        "--replay",
        "7d",
        "--most",
        "1500",
    ]
    command = f"{sys.executable} -S '{folder / 'predict.py'}'"
    options = ["--command", command, "--column", "prediction=label", "--segment", "country", "--json"]
    done = CliRunner().invoke(app, ["gate", *words, *options])
    assert done.exit_code == 0, done.output
    found = from_dict(json.loads(done.stdout))
    assert (found.items, found.candidate) == (1500, "candidate")
    assert found.metric("accuracy").difference > 0.02  # type: ignore[union-attr,operator]
    for wrong in (["--replay", "7d"], ["--command", "x"], ["--replay", "7d", "--command", "'"]):
        refused = CliRunner().invoke(app, ["gate", "--model", "acme/fraud", "-c", words[3], *wrong]).exception
        assert isinstance(refused, InputError)


WRONG = {
    "fails": ("import sys; sys.exit('no model.pkl')", "failed with exit code 1", "no model.pkl"),
    "hangs": ("import time; time.sleep(60)", "took longer than", "--within"),
    "leaves a child": (
        "import os, time\nif os.fork(): os._exit(0)\ntime.sleep(60)",
        "took longer than",
        "--within",
    ),
    "closes its output and hangs": (
        "import os, time; os.close(1); time.sleep(60)",
        "took longer than",
        "--within",
    ),
    "writes without end": ("while True: print('x' * 10_000)", "wrote more than 100,000 bytes", ""),
    "answers nothing": (
        "import sys; sys.stdin.read()",
        "the candidate returned no answers",
        "one JSON object per line",
    ),
    "answers no JSON": ("print('fraud')", "answers.jsonl:1: ", ""),
    "answers twice": (
        'print(\'{"id": "order 1", "prediction": "ok"}\\n\' * 2)',
        "'order 1' also occurs",
        "own id",
    ),
    "answers others": ('print(\'{"id": "x", "prediction": "ok"}\')', "no item is in both files", "'x' here"),
    "answers numbers": ("print('[1, 2]')", "", ""),
    "answers without id": ('print(\'{"prediction": "ok"}\')', "has no column 'id'", "joined by id"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_a_command_does_wrong_is_told(store: Store, case: str) -> None:
    script, message, hint = WRONG[case]
    seconds = 0.7 if hint == "--within" else 30.0
    command = Command([sys.executable, "-S", "-c", script], seconds, most_bytes=100_000)
    with pytest.raises(InputError) as refused:
        replay(store, STREAM, START.timestamp(), END, command, most=500)
    assert message in str(refused.value)
    assert hint in str(refused.value)


def test_a_command_that_does_not_exist(store: Store) -> None:
    with pytest.raises(InputError, match="cannot be started: No such file"):
        replay(store, STREAM, START.timestamp(), END, Command(["/no/such/program"]))
    for argv in (["a\0b"], []):
        with pytest.raises(InputError, match="the command is empty, or contains a NUL"):
            Command(argv)


def test_answers_that_cannot_be_written_are_told() -> None:
    command = Command([sys.executable, "-S", "-c", "print('x' * 100_000)"])
    with pytest.raises(InputError, match="the answers cannot be written: No space left on device"):
        command(iter([b"{}\n"]), Path("/dev/full"))


def test_a_command_may_stop_reading_early(store: Store) -> None:
    """It answers the first item only: that is told, and one item proves nothing."""
    script = "import json, sys; print(json.dumps({'id': json.loads(sys.stdin.readline())['id'], 'prediction': 'ok'}))"
    items = replay(store, STREAM, START.timestamp(), END, Command([sys.executable, "-S", "-c", script]))
    assert items.n == 1
    assert "the candidate answered 1 of 3,000 items" in items.notes


@pytest.mark.parametrize("answer", [["fraud"], [{"id": object()}], []])
def test_what_a_function_does_wrong_is_told(store: Store, answer: list[Any]) -> None:
    with pytest.raises(InputError):
        replay(store, STREAM, START.timestamp(), END, lambda _items: answer)
