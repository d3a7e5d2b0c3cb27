"""A call of a language model, and what of it is recorded: never a text, unless somebody else records it."""

from __future__ import annotations

import time
from time import perf_counter
from typing import Any

from watchkeeper_client.client import Client
from watchkeeper_client.problems import ERROR, log

_PARAMETERS = (
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "seed",
    "n",
)


class Completion:
    """One call. The prediction is its finish reason (`stop`, `length`), its version the model that answered.

    Features are the request's parameters, the sizes of both sides in tokens and characters, and the time to the first
    piece of a streamed answer.
    """

    def __init__(self, client: Client, fields: dict[str, Any], request: dict[str, Any]) -> None:
        self._client = client
        self._at = time.time()
        self._started = perf_counter()
        self._is_over = False
        self._record: dict[str, Any] = dict(fields)
        self.features: dict[str, Any] = {
            "requested_model": request.get("model"),
            "stream": bool(request.get("stream")),
        }
        for name in _PARAMETERS:
            if isinstance(request.get(name), (int, float)):
                self.features[name] = request[name]
        given = request.get("messages", request.get("input", request.get("prompt", ())))
        self.features["input_characters"] = characters(given)
        if isinstance(given, list):
            self.features["messages"] = len(given)
        if isinstance(request.get("tools"), (list, tuple)):
            self.features["tools"] = len(request["tools"])

    def first_piece(self) -> None:
        """A piece of a streamed answer came."""
        if "ttft_ms" not in self.features:
            self.features["ttft_ms"] = (perf_counter() - self._started) * 1e3

    def end(self, reason: str = "", error: object = None, id: str = "", version: str = "") -> None:  # noqa: A002
        """The call is over. Never raises."""
        if self._is_over:
            return
        self._is_over = True
        latency = (perf_counter() - self._started) * 1e3
        try:
            record = {**self._record, "features": self.features, "timestamp": self._at, "latency_ms": latency}
            if id:
                record["id"] = id
            if version:
                record["version"] = version
            answer = {"error": error} if error is not None else {"prediction": reason or "stop"}
            self._client.prediction(**{**record, **answer})
        except Exception as failure:
            self._client.count("unusable")
            log(ERROR, f"a call cannot be recorded: {type(failure).__name__}: {failure}")


def characters(value: Any, depth: int = 0) -> int:
    """How long the texts are that something holds."""
    if isinstance(value, str):
        return len(value)
    if depth < 8 and isinstance(value, dict):
        return sum(characters(one, depth + 1) for name, one in value.items() if name not in ("role", "type"))
    if depth < 8 and isinstance(value, (list, tuple)):
        return sum(characters(one, depth + 1) for one in value)
    if depth < 8 and isinstance(getattr(value, "content", None), (str, list)):
        return characters(value.content, depth + 1)
    return 0
