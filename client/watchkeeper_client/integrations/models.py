"""Models with `predict`: scikit-learn, XGBoost, LightGBM, CatBoost, pipelines of them, and what looks alike."""

from __future__ import annotations

import os
import time
from time import perf_counter
from typing import Any, Callable

from watchkeeper_client.client import Client
from watchkeeper_client.problems import ERROR, WARNING, log
from watchkeeper_client.records.values import kind_of

CHUNK = 2_000
"""Rows that are queued together."""
_MOST_CLASSES = 20
"""With more, only the likeliest class and its probability are recorded."""


class WatchedModel:
    """A model whose predictions are recorded; all else is the model's own.

    The method that is called first is the one that is recorded, so that a program that calls both `predict` and
    `predict_proba` for the same rows does not count twice; `method` names it beforehand. A call for many rows makes a
    prediction of each; how long one of them took is then not known.

    Args:
        model: the model.
        client: where to.
        method: `predict` or `predict_proba`.
        names: the features' names, where neither the rows nor the model have them.
        id: the column of the rows that holds the id by which an outcome finds a prediction, or a function of the rows.
        fields: further fields of a prediction, the same for every row.
    """

    def __init__(
        self,
        model: Any,
        client: Client,
        *,
        method: str | None = None,
        names: list[str] | None = None,
        id: str | Callable[[Any], Any] | None = None,  # noqa: A002 - the record's own word
        **fields: Any,
    ) -> None:
        self.__dict__["watched"] = model
        self.__dict__["_watching"] = _Watching(model, client, method, names, id, fields)

    def predict(self, rows: Any, *args: Any, **kwargs: Any) -> Any:
        """The model's `predict`."""
        return self._watching.call("predict", rows, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.__dict__["watched"], name)
        if name == "predict_proba":
            return lambda rows, *args, **kwargs: self._watching.call(name, rows, args, kwargs)
        return attribute

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.watched, name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model itself."""
        return self.watched(*args, **kwargs)


class _Watching:
    def __init__(
        self,
        model: Any,
        client: Client,
        method: str | None,
        names: list[str] | None,
        id: str | Callable[[Any], Any] | None,  # noqa: A002 - the record's own word
        fields: dict[str, Any],
    ) -> None:
        self._model = model
        self._client = client
        self._method = method
        self._names = names
        self._id = id
        self._fields = fields
        self._told = False

    def call(self, method: str, rows: Any, args: Any, kwargs: Any) -> Any:
        """Call the model, and record what it answered or raised."""
        started = perf_counter()
        try:
            answer = getattr(self._model, method)(rows, *args, **kwargs)
        except Exception as error:
            self._record(method, rows, None, type(error).__name__, perf_counter() - started)
            raise
        self._record(method, rows, answer, "", perf_counter() - started)
        return answer

    def _record(self, method: str, rows: Any, answer: Any, error: str, seconds: float) -> None:
        try:
            if self._method is None:
                self._method = method
            if method == self._method:
                self._put(rows, answer, error, seconds)
            elif not self._told:
                self._told = True
                log(
                    WARNING,
                    f"{method} is not recorded, because {self._method} is: name the `method` to be recorded",
                )
        except Exception as failure:
            self._client.count("unusable")
            log(ERROR, f"a model's call cannot be recorded: {type(failure).__name__}: {failure}")

    def _put(self, rows: Any, answer: Any, error: str, seconds: float) -> None:
        ids = None
        if self._id is not None:
            ids = list(rows[self._id] if isinstance(self._id, str) else self._id(rows))
        names = self._names
        if names is None:
            names = _listed(getattr(self._model, "feature_names_in_", getattr(rows, "feature_names", None)))
        count = _length(rows) if error else _length(answer)
        base = self._client.base()
        base.update(self._fields, timestamp=time.time())
        if count == 1:
            base["latency_ms"] = seconds * 1e3
        for start in range(0, count, CHUNK):
            part = slice(start, min(start + CHUNK, count))
            table = Table(
                base,
                _copy(rows, part),
                None if error else _copy(answer, part),
                error,
                part.stop - part.start,
                names,
                _listed(getattr(self._model, "classes_", None)),
                ids[part] if ids is not None else None,
                self._id if isinstance(self._id, str) else None,
            )
            self._client.put("predictions", table, table.count, table.weight)


class Table:
    """Rows and their answers, turned into records by the sending thread."""

    def __init__(
        self,
        base: dict[str, Any],
        rows: Any,
        answers: Any,
        error: str,
        count: int,
        names: list[Any] | None,
        classes: list[Any] | None,
        ids: list[Any] | None,
        id_column: str | None,
    ) -> None:
        self.count = count
        self._base = base
        self._rows = rows
        self._answers = answers
        self._error = error
        self._names = names
        self._classes = classes
        self._ids = ids
        self._id_column = id_column
        self._prefix = os.urandom(12).hex()

    @property
    def weight(self) -> int:
        """Bytes in memory, roughly."""
        width = _width(self._rows)
        return self.count * (300 + 60 * width)

    def records(self) -> list[dict[str, Any]]:
        """A record for each row."""
        features = _features(self._rows, self._names)
        answers = [{"error": self._error}] * self.count if self._error else self._answered()
        rows = []
        for rank, answer in enumerate(answers):
            record = {
                **self._base,
                "id": self._ids[rank] if self._ids else f"{self._prefix}{rank:08x}",
                **answer,
            }
            if rank < len(features):
                values = features[rank]
                values.pop(self._id_column, None)
                record["features"] = values
            rows.append(record)
        return rows

    def _answered(self) -> list[dict[str, Any]]:
        answers = self._answers
        values = answers.tolist() if hasattr(answers, "tolist") else list(answers)
        return [self._answer(value) for value in values]

    def _answer(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, list):
            return {"prediction": value}
        if len(value) == 1:
            return {"prediction": value[0]}
        best = max(range(len(value)), key=value.__getitem__)
        classes = self._classes if self._classes and len(self._classes) == len(value) else range(len(value))
        answer: dict[str, Any] = {"prediction": classes[best], "confidence": value[best]}
        if len(value) <= _MOST_CLASSES:
            answer["probabilities"] = {str(label): share for label, share in zip(classes, value)}
        return answer


def _features(rows: Any, names: list[Any] | None) -> list[dict[Any, Any]]:
    if rows is None:
        return []
    if kind_of(rows) == "pandas.DataFrame":
        return list(rows.to_dict("records"))
    if hasattr(rows, "to_dicts"):  # polars
        return list(rows.to_dicts())
    if hasattr(rows, "toarray"):  # scipy's sparse matrices
        rows = rows.toarray()
    values = rows.tolist() if hasattr(rows, "tolist") else list(rows)
    return [_named(row, names) for row in values]


def _named(row: Any, names: list[Any] | None) -> dict[Any, Any]:
    if isinstance(row, dict):
        return dict(row)
    values = row if isinstance(row, (list, tuple)) else [row]
    if names is None or len(names) != len(values):
        names = [f"x{rank}" for rank in range(len(values))]
    return dict(zip(names, values))


def _copy(rows: Any, part: slice) -> Any:
    """Some rows, which nobody changes any more; None where what they are is not known."""
    kind = kind_of(rows)
    if kind == "pandas.DataFrame":
        return rows.iloc[part].copy()
    if kind == "pandas.Series":
        return rows.iloc[part].to_numpy(copy=True)
    if kind.startswith(("numpy.", "scipy.")):
        return rows[part].copy()
    if kind == "xgboost.DMatrix":
        return rows.get_data()[part]
    if kind.startswith("polars."):
        return rows[part]
    if isinstance(rows, (list, tuple)):
        return [row.copy() if hasattr(row, "copy") else row for row in rows[part]]
    return None


def _length(rows: Any) -> int:
    if hasattr(rows, "num_row"):
        return int(rows.num_row())
    shape = getattr(rows, "shape", None)
    return int(shape[0]) if shape else len(rows)


def _width(rows: Any) -> int:
    """Features of a row, as far as that is easily known."""
    shape = list(getattr(rows, "shape", ()))
    if len(shape) > 1:
        return int(shape[1])
    first = rows[0] if isinstance(rows, list) and rows else None
    return len(first) if isinstance(first, (list, tuple, dict)) else 1


def _listed(values: Any) -> list[Any] | None:
    if values is None:
        return None
    return list(values.tolist() if hasattr(values, "tolist") else values)
