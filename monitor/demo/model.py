"""A gradient-boosted classifier: does a flight arrive more than 15 minutes late?"""

import time
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from threadpoolctl import threadpool_limits

from monitor.demo import flights

AUTOMATIC = 0.8
"""From this confidence on, passengers are notified without a human review."""

_TIMED = 300


@dataclass(frozen=True, slots=True)
class FlightPrediction:
    """The prediction for one flight: the probability `late`, and the latency in milliseconds."""

    late: float
    latency_ms: float

    @property
    def label(self) -> str:
        """`late` or `on time`."""
        return "late" if self.late >= 0.5 else "on time"

    @property
    def confidence(self) -> float:
        """The probability of `label`."""
        return max(self.late, 1.0 - self.late)


class LateModel:
    """The trained pipeline, as a server uses it: one flight at a time."""

    def __init__(self, pipeline: Pipeline) -> None:
        threadpool_limits(1)  # on a busy machine, threads that wait for each other are slower than one
        self.pipeline = pipeline

    def answer(self, features: dict[str, object]) -> FlightPrediction:
        """Predict one flight, and measure the latency."""
        began = time.perf_counter()
        row = np.array([[_cell(features[name]) for name in flights.FEATURES]], dtype=object)
        late = float(self.pipeline.predict_proba(row)[0, 1])
        return FlightPrediction(late, (time.perf_counter() - began) * 1000)

    def answers(self, table: pa.Table) -> np.ndarray:
        """The probability of `late` for each row, shape (rows,)."""
        return np.asarray(self.pipeline.predict_proba(_matrix(table))[:, 1])


def train(table: pa.Table) -> tuple[LateModel, pa.Table]:
    """Fit on `table`; also return the training set as a baseline file's table.

    The baseline's predictions are cross-validated, because a model is more confident on its training rows.
    """
    threadpool_limits(1)
    pipeline = _pipeline()
    late = np.asarray(table["late"])
    held_out = cross_val_predict(pipeline, _matrix(table), late, cv=3, method="predict_proba")[:, 1]
    model = LateModel(pipeline.fit(_matrix(table), late))
    return model, _baseline(table, held_out, _latencies(model, table))


def predicted(table: pa.Table, late: np.ndarray) -> pa.Table:
    """The features of `table` with the model's predictions: the columns of a prediction, without id and time."""
    columns = {f"features.{name}": table[name] for name in flights.FEATURES}
    label = np.where(late >= 0.5, "late", "on time")
    confidence = np.maximum(late, 1 - late)
    return pa.table(
        {
            **columns,
            "prediction": label,
            "confidence": confidence,
            "probabilities.late": late,
            "probabilities.on time": 1 - late,
            "automated": confidence >= AUTOMATIC,
            "segments.airport": table["origin"],
        }
    )


def load_or_train(folder: Path) -> LateModel:
    """The model in `folder`; if it is missing, it is trained and stored together with `training.parquet`."""
    path = folder / "model.joblib"
    if path.exists():
        return LateModel(joblib.load(path))
    model, baseline = train(flights.shuffled(flights.load(), flights.FlightSplit.TRAINING))
    pq.write_table(baseline, folder / "training.parquet")
    joblib.dump(model.pipeline, path)
    return model


def _pipeline() -> Pipeline:
    categories = list(range(len(flights.CATEGORICAL)))
    encode = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan), categories),
        remainder="passthrough",
    )
    forest = HistGradientBoostingClassifier(
        categorical_features=categories, max_bins=128, max_iter=60, random_state=7
    )
    return make_pipeline(encode, forest)


def _matrix(table: pa.Table) -> np.ndarray:
    columns = [table[name].to_numpy(zero_copy_only=False) for name in flights.FEATURES]
    return np.stack([column.astype(object) for column in columns], axis=1)


def _cell(value: object) -> object:
    return np.nan if value is None else value


def _latencies(model: LateModel, table: pa.Table) -> pa.Array:
    rows = table.slice(0, _TIMED).to_pylist()
    times = [model.answer(row).latency_ms for row in rows]
    return pa.array(times + [None] * (table.num_rows - len(times)), pa.float64())


def _baseline(table: pa.Table, late: np.ndarray, latency_ms: pa.Array) -> pa.Table:
    truth = pc.if_else(table["late"], "late", "on time")
    return (
        predicted(table, late)
        .append_column("timestamp", pc.cast(pc.cast(table["departed"], pa.timestamp("us")), pa.int64()))
        .append_column("latency_ms", latency_ms)
        .append_column("outcome.truth", truth)
    )
