"""A decorator for functions that predict, and a block that is timed."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Callable, TypeVar, Union, cast

from watchkeeper_client.client import Client
from watchkeeper_client.problems import ERROR, WARNING, log

F = TypeVar("F", bound=Callable[..., Any])
Part = Union[str, Callable[[Any], Any], None]
_GENERATOR = 0x20 | 0x200
_COROUTINE = 0x80


class Prediction:
    """What a block says about its prediction, in the fields of `Client.prediction`."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields

    def set(self, prediction: object = None, **fields: Any) -> None:
        """Say what the model answered."""
        self.fields.update(fields if prediction is None else {"prediction": prediction, **fields})


@contextmanager
def timed(client: Client, **fields: Any) -> Iterator[Prediction]:
    """Record the prediction of a block, its latency, and the type of the exception that leaves it."""
    made = Prediction(fields)
    started = perf_counter()
    try:
        yield made
    except Exception as error:
        _record(client, {**made.fields, "prediction": None, "error": error}, started)
        raise
    _record(client, made.fields, started)


def watch(
    client: Client,
    *,
    features: str | Callable[..., Any] | None = None,
    prediction: Part = None,
    confidence: Part = None,
    id: str | Callable[..., Any] | None = None,  # noqa: A002 - the record's own word
    **fields: Any,
) -> Callable[[F], F]:
    """Record each call of a function, sync or async: what it got, what it returned or raised, and how long it took.

    Args:
        client: where to.
        features: the name of the argument that holds them, or a function of the arguments; else the only argument where
            that has names, else all arguments by name.
        prediction: the key or attribute of the result that holds it, or a function of the result; else the result.
        confidence: likewise; else none.
        id: the name of the argument that holds it, or a function of the arguments; else one is made.
        fields: further fields of `Client.prediction`, the same for every call.
    """

    def decorate(function: F) -> F:
        code = getattr(function, "__code__", None)
        flags = getattr(code, "co_flags", 0)
        if flags & _GENERATOR:
            log(
                WARNING,
                f"{function.__name__} is a generator, and how long it takes is not known: it is not watched",
            )
            return function
        names = code.co_varnames[: code.co_argcount] if code is not None else ()
        reading = _Reading(client, names, features, prediction, confidence, id, fields)

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            started = perf_counter()
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                reading.failed(args, kwargs, error, started)
                raise
            reading.returned(args, kwargs, result, started)
            return result

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            started = perf_counter()
            try:
                result = await function(*args, **kwargs)
            except Exception as error:
                reading.failed(args, kwargs, error, started)
                raise
            reading.returned(args, kwargs, result, started)
            return result

        return cast("F", awaited if flags & _COROUTINE else called)

    return decorate


class _Reading:
    """How a call becomes a prediction. Nothing here raises."""

    def __init__(
        self,
        client: Client,
        names: tuple[str, ...],
        features: str | Callable[..., Any] | None,
        prediction: Part,
        confidence: Part,
        id: str | Callable[..., Any] | None,  # noqa: A002 - the record's own word
        fields: dict[str, Any],
    ) -> None:
        self._client = client
        self._names = names
        self._features = features
        self._prediction = prediction
        self._confidence = confidence
        self._id = id
        self._fields = fields

    def returned(self, args: Any, kwargs: Any, result: Any, started: float) -> None:
        """The function returned."""
        latency = (perf_counter() - started) * 1e3
        try:
            answer = {"prediction": _part(self._prediction, result)}
            if self._confidence is not None:
                answer["confidence"] = _part(self._confidence, result)
            self._client.prediction(**{**self._of_call(args, kwargs), **answer, "latency_ms": latency})
        except Exception as error:
            self._client.count("unusable")
            log(ERROR, f"a call cannot be read as a prediction: {type(error).__name__}: {error}")

    def failed(self, args: Any, kwargs: Any, error: Exception, started: float) -> None:
        """The function raised."""
        latency = (perf_counter() - started) * 1e3
        try:
            fields = self._of_call(args, kwargs)
        except Exception:
            fields = self._fields
        self._client.prediction(**{**fields, "error": error, "latency_ms": latency})

    def _of_call(self, args: Any, kwargs: Any) -> dict[str, Any]:
        named = {**dict(zip(self._names, args)), **kwargs}
        fields = {**self._fields, "features": self._features_of(args, kwargs, named)}
        if self._id is not None:
            fields["id"] = named.get(self._id) if isinstance(self._id, str) else self._id(*args, **kwargs)
        return fields

    def _features_of(self, args: Any, kwargs: Any, named: dict[str, Any]) -> Any:
        if isinstance(self._features, str):
            return named.get(self._features)
        if self._features is not None:
            return self._features(*args, **kwargs)
        values = {name: value for name, value in named.items() if name not in ("self", "cls", self._id)}
        if len(values) == 1:
            (only,) = values.values()
            if (
                isinstance(only, Mapping)
                or hasattr(only, "model_dump")
                or hasattr(only, "__dataclass_fields__")
            ):
                return only
        return values


def _part(rule: Part, result: Any) -> Any:
    if rule is None:
        return result
    if callable(rule):
        return rule(result)
    return result[rule] if isinstance(result, Mapping) else getattr(result, rule)


def _record(client: Client, fields: dict[str, Any], started: float) -> None:
    latency = (perf_counter() - started) * 1e3
    try:
        client.prediction(**{"latency_ms": latency, **fields})
    except TypeError as error:
        client.count("unusable")
        log(ERROR, f"a block's prediction has fields that none has: {error}")
