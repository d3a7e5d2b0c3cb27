"""Makes the peers' environments, gives them rows, and reads what they answer."""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.streams import (
    REFERENCE,
    SHARES,
    Spec,
    absent_share,
    hidden,
    identity,
    moved_column,
    rows_of,
    shares_of,
    values,
)

# Each peer's own pins, and what it needs beside them to be imported at all.
PEERS = {
    "evidently": ("evidently>=0.7.23,<0.8", "pandas<3.1"),
    "nannyml": ("nannyml==0.13.1", "pandas<3", "statsmodels"),
}
EVERY = {"evidently": 10, "nannyml": 1}
"""Evidently takes seconds a window: of those without drift it judges every tenth."""
LABELS = np.array([len(SHARES), *range(len(SHARES))])
"""Places of the labels in a peer's table: the one that was never seen is the last."""
FOLDER = Path(__file__).parents[2] / "build" / "bench"


@dataclass(frozen=True, slots=True)
class Rival:
    """A peer on one stream: of `windows` without drift, those with an alert, and the alerts that began."""

    name: str
    spec: Spec
    windows: int
    alerts: int
    pages: int
    dataset: int


def environment(name: str) -> Path:
    """The interpreter of a peer's environment, which is made when it is not there."""
    python = FOLDER / name / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER / name)], check=True)
        uv = shutil.which("uv")
        install = (
            [uv, "pip", "install", "-q", "-p", str(python)]
            if uv
            else [str(python), "-m", "pip", "install", "-q"]
        )
        subprocess.run([*install, *PEERS[name]], check=True)
    return python


def rows(spec: Spec) -> dict[str, np.ndarray]:
    """The rows of a stream: (columns, rows) of its normal, category and missing-rate columns, and window sizes."""
    value = hidden(spec, np.random.default_rng(identity(spec)))
    numbers, categories, absent = spec.split
    sizes = [rows_of(spec, t) for t in range(len(value))]
    total = sum(sizes)
    held_numbers = np.empty((numbers, total), dtype=np.float32)
    held_labels = np.empty((categories, total), dtype=np.int8)
    held_absent = np.empty((absent, total), dtype=bool)
    at = 0
    for t, n in enumerate(sizes):
        rng, part = np.random.default_rng([*identity(spec), t]), slice(at, at + n)
        held_numbers[:, part] = values(spec, rng, value[t, :numbers], n, t)
        shares = shares_of(spec, value[t, numbers : numbers + categories], t)
        counts = rng.multinomial(n, shares)
        for column in range(categories):
            held_labels[column, part] = rng.permutation(np.repeat(LABELS, counts[column]))
        missing = rng.binomial(n, absent_share(spec, value[t, numbers + categories :], t))
        for column in range(absent):
            held_absent[column, part] = rng.permutation(n) < missing[column]
        at += n
    return {
        "numbers": held_numbers,
        "labels": held_labels,
        "absent": held_absent,
        "sizes": np.array(sizes[REFERENCE:]),
        "all_sizes": np.array(sizes),
        "reference_rows": np.array(sum(sizes[:REFERENCE])),
    }


def judge(name: str, spec: Spec, python: Path) -> Rival:
    """A peer's answer on a stream without drift."""
    answer = _answer(name, spec, python, every=EVERY[name])
    return Rival(name, spec, answer["windows"], answer["alerts"], answer["pages"], answer["dataset"])


def delay(name: str, spec: Spec, python: Path) -> float:
    """After how many windows a peer alarms the column that drifts from the reference's end on; infinite if not within
    those of the stream.
    """
    column = column_name(spec, moved_column(spec))
    alarmed = _answer(name, spec, python, until=column)["columns"][column]
    return alarmed.index(True) + 1.0 if True in alarmed else float("inf")


def column_name(spec: Spec, column: int) -> str:
    """What a column is called in the peers' tables."""
    numbers, categories, _ = spec.split
    if column < numbers:
        return f"number_{column}"
    column -= numbers
    return f"category_{column}" if column < categories else f"absent_{column - categories}"


def _answer(name: str, spec: Spec, python: Path, every: int = 1, until: str = "") -> dict[str, Any]:
    content = {**rows(spec), "every": np.array(every), "until": np.array(until)}
    return answer_to(name, content, python)


def answer_to(name: str, content: dict[str, np.ndarray], python: Path) -> dict[str, Any]:
    """What a method of `alert_peers.py` answers to rows, in a peer's environment."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npz"
        np.savez(path, **content)
        script = Path(__file__).with_name("alert_peers.py")
        done = subprocess.run(
            [str(python), str(script), name, str(path)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
