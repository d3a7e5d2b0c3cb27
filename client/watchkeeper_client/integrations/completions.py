"""A call of a language model, and what of it is recorded: texts only where they are asked for."""

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

    def __init__(
        self, client: Client, fields: dict[str, Any], request: dict[str, Any], *, with_texts: bool = False
    ) -> None:
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
        self.texts: dict[str, Any] | None = said(given) if with_texts else None
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
            answer: dict[str, Any] = (
                {"error": error} if error is not None else {"prediction": reason or "stop"}
            )
            if self.texts:
                record["texts"] = self.texts
                answer["finish_reason"] = reason or None
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


def said(messages: Any) -> dict[str, Any]:
    """The texts of a request by who said them: `system`, results of tools, and all others as `input`."""
    texts_by_side: dict[str, list[str]] = {"input": [], "system": [], "tool_results": []}
    for message in messages if isinstance(messages, (list, tuple)) else [messages]:
        role = str(
            (message.get("role") if isinstance(message, dict) else getattr(message, "type", None)) or "user"
        )
        side = {"system": "system", "developer": "system", "tool": "tool_results"}.get(role, "input")
        texts_by_side[side] += written(message)
    texts: dict[str, Any] = {
        name: "\n".join(texts_by_side[name]) for name in ("input", "system") if texts_by_side[name]
    }
    return (
        {**texts, "tool_results": texts_by_side["tool_results"]} if texts_by_side["tool_results"] else texts
    )


def written(value: Any, depth: int = 0) -> list[str]:
    """The texts that something holds, in their order."""
    if isinstance(value, str):
        return [value] if value else []
    if depth < 8 and isinstance(value, dict):
        return [
            text
            for name, one in value.items()
            if name not in ("role", "type", "id", "name")
            for text in written(one, depth + 1)
        ]
    if depth < 8 and isinstance(value, (list, tuple)):
        return [text for one in value for text in written(one, depth + 1)]
    if depth < 8 and isinstance(getattr(value, "content", None), (str, list)):
        return written(value.content, depth + 1)
    return []
