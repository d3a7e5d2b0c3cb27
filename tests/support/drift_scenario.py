"""A stream in a store whose windows a test writes, to be learned and judged."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from monitor.drift.evaluate import DriftStatus, evaluate
from monitor.drift.learning import LearningContext, LearningTask, prepare
from monitor.drift.settings import DriftSettings
from monitor.records import Stream, Window
from monitor.store import profiles
from monitor.store.db import Store
from monitor.store.profiles import StoredProfile
from monitor.windows import baseline, codec
from monitor.windows.kernel.count_rows import count
from tests.support import schema

BASE, DAY = 1800, 86_400


START = 1_735_516_800


STREAM = Stream("acme", "fraud")


SETTINGS = DriftSettings()


def rows(
    rng: np.random.Generator,
    n: int = 120,
    shift: float = 0.0,
    country: str = "",
    version: str = "7",
    older: float = 0.0,
    constant: float | None = None,
) -> pa.RecordBatch:
    countries = rng.choice(["DE", "FR", "IT"], n)
    countries[: n // 10] = country or countries[: n // 10]
    return pa.RecordBatch.from_pydict(
        {
            "features.amount": rng.normal(shift, 1, n) if constant is None else np.full(n, constant),
            "features.age": rng.integers(18, 80, n).astype(float) + older,
            "features.country": pa.array(countries).dictionary_encode(),
            "prediction": pa.array(rng.choice(["fraud", "fine"], n, p=[0.1, 0.9])).dictionary_encode(),
            "confidence": rng.beta(5, 2, n),
            "version": pa.array([version] * n).dictionary_encode(),
        }
    )


@dataclass
class DriftScenario:
    """A store with a baseline, and a pen that writes windows."""

    store: Store
    rng: np.random.Generator
    at: int = START

    def write(
        self,
        seconds: float,
        shift: float = 0.0,
        country: str = "",
        version: str = "7",
        older: float = 0.0,
        constant: float | None = None,
    ) -> None:
        with self.store.write() as connection:
            found = baseline.load(connection, STREAM)
            assert found is not None
            for start in range(self.at, int(self.at + seconds), BASE):
                written = rows(self.rng, 120, shift, country, version, older, constant)
                profile = count(written, found.layout)
                kept = StoredProfile(
                    Window(start, start + BASE), found.layout.id, profile.rows, codec.encode(profile)
                )
                profiles.put(connection, STREAM, [kept], float(start))
        self.at += int(seconds)

    def prepare(self, settings: DriftSettings = SETTINGS) -> bool:
        means = LearningContext(settings, BASE, self.at)
        return bool(prepare(self.store, [LearningTask(STREAM, self.at)], means))

    def watch(self, settings: DriftSettings = SETTINGS) -> DriftStatus:
        with self.store.write() as connection:
            return evaluate(connection, STREAM, settings, BASE, self.at, self.at)


def fresh(folder: Path) -> DriftScenario:
    return begun(Store(f"sqlite:///{folder}/state.db"))


def begun(store: Store) -> DriftScenario:
    schema.create(store)
    rng = np.random.default_rng(4)
    made = baseline.from_table(STREAM, pa.Table.from_batches([rows(rng, 5000)]), START)
    with store.write() as connection:
        baseline.save(connection, made, START)
    return DriftScenario(store, rng)


def significant(watched: DriftStatus) -> set[str]:
    """The columns with significant drift."""
    return {verdict.column for verdict in watched.verdicts if verdict.significant}
