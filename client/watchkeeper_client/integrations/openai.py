"""Clients of language models that look like OpenAI's: `openai` itself, Azure's, and compatible ones; sync and async."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from watchkeeper_client.client import Client
from watchkeeper_client.integrations.completions import Completion, characters, written

_WATCHED = {
    ("chat", "completions", "create"),
    ("chat", "completions", "parse"),
    ("beta", "chat", "completions", "parse"),
    ("completions", "create"),
    ("responses", "create"),
    ("responses", "parse"),
}
_COPIES = {"with_options", "copy"}


def watch_openai(openai: Any, client: Client, *, texts: bool = False, **fields: Any) -> Any:
    """The same client, with its completions and responses recorded. `fields` stand in each record.

    Streamed answers are recorded when they end or are closed. `texts=True` records what was asked and answered.
    """
    return _Proxy(openai, (), client, fields, texts)


class _Proxy:
    """A part of the client on the way to a method that is watched."""

    def __init__(
        self, target: Any, path: tuple[str, ...], client: Client, fields: dict[str, Any], with_texts: bool
    ) -> None:
        self._target = target
        self._path = path
        self._client = client
        self._fields = fields
        self._with_texts = with_texts

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        path = (*self._path, name)
        if path in _WATCHED:
            return _Method(attribute, self._client, self._fields, self._with_texts)
        if any(watched[: len(path)] == path for watched in _WATCHED):
            return _Proxy(attribute, path, self._client, self._fields, self._with_texts)
        if not self._path and name in _COPIES:
            return lambda *args, **kwargs: _Proxy(
                attribute(*args, **kwargs), (), self._client, self._fields, self._with_texts
            )
        return attribute

    def __enter__(self) -> _Proxy:
        self._target.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._target.__exit__(*error)

    async def __aenter__(self) -> _Proxy:
        await self._target.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self._target.__aexit__(*error)


class _Method:
    def __init__(self, method: Any, client: Client, fields: dict[str, Any], with_texts: bool) -> None:
        self._method = method
        self._client = client
        self._fields = fields
        self._with_texts = with_texts

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        seen = _Seen(Completion(self._client, self._fields, kwargs, with_texts=self._with_texts))
        with seen:
            result = self._method(*args, **kwargs)
        return self._awaited(seen, result) if hasattr(result, "__await__") else _answered(seen, result)

    @staticmethod
    async def _awaited(seen: _Seen, waiting: Any) -> Any:
        with seen:
            result = await waiting
        return _answered(seen, result)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._method, name)


def _answered(seen: _Seen, result: Any) -> Any:
    if seen.call.features["stream"]:
        return _Stream(seen, result)
    seen.see(result)
    seen.end()
    return result


class _Seen:
    """What an answer, or the pieces of one, said so far. Nothing here raises.

    In a `with` block it records that the answer ended or failed there.
    """

    def __init__(self, call: Completion) -> None:
        self.call = call
        self._id = self._version = self._reason = ""
        self._characters = 0
        self._texts: list[str] = []

    def __enter__(self) -> None:
        """Call the method, or wait for the next piece."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (StopIteration, StopAsyncIteration)):
            self.end()
        elif isinstance(error, Exception):
            self.end(error)

    def see(self, piece: Any) -> None:
        """Look at an answer or a piece of one."""
        try:
            self._see(getattr(piece, "response", None) or piece)
        except Exception:  # a client that looks otherwise: what is not found is not recorded
            return

    def _see(self, piece: Any) -> None:
        self._id = _text(piece, "id") or self._id
        self._version = _text(piece, "model") or self._version
        self._reason = _text(piece, "status") or self._reason
        for choice in getattr(piece, "choices", None) or ():
            self._reason = _text(choice, "finish_reason") or self._reason
            message = getattr(choice, "message", None) or getattr(choice, "delta", None)
            self._said(getattr(message, "content", None) or getattr(choice, "text", None))
        self._said(getattr(piece, "delta", None) if isinstance(getattr(piece, "delta", None), str) else None)
        usage = getattr(piece, "usage", None)
        for name, names in (
            ("input_tokens", ("prompt_tokens", "input_tokens")),
            ("output_tokens", ("completion_tokens", "output_tokens")),
        ):
            for one in names:
                if isinstance(getattr(usage, one, None), int):
                    self.call.features[name] = getattr(usage, one)

    def _said(self, text: Any) -> None:
        length = characters(text)
        if length and self.call.features["stream"]:
            self.call.first_piece()
        self._characters += length
        if self.call.texts is not None:
            self._texts += written(text)

    def end(self, error: object = None, reason: str = "") -> None:
        """Nothing more comes."""
        if self._characters:
            self.call.features["output_characters"] = self._characters
        if self.call.texts is not None and self._texts:
            self.call.texts["output"] = "".join(self._texts)
        self.call.end(reason or self._reason, error, self._id, self._version)


class _Stream:
    """A streamed answer, looked at as it comes."""

    def __init__(self, seen: _Seen, stream: Any) -> None:
        self._stream = stream
        self._seen = seen
        self._pieces: Any = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self._seen:
            if self._pieces is None:
                self._pieces = iter(self._stream)
            piece = next(self._pieces)
        self._seen.see(piece)
        return piece

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        with self._seen:
            if self._pieces is None:
                self._pieces = self._stream.__aiter__()
            piece = await self._pieces.__anext__()
        self._seen.see(piece)
        return piece

    def close(self) -> Any:
        """Nobody wants the rest. Of an async stream, this is to be awaited."""
        self._seen.end(reason="cancelled")
        return self._stream.close()

    def __enter__(self) -> _Stream:
        self._stream.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        self._seen.end(reason="cancelled")
        return self._stream.__exit__(*error)

    async def __aenter__(self) -> _Stream:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        self._seen.end(reason="cancelled")
        return await self._stream.__aexit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _text(piece: Any, name: str) -> str:
    value = getattr(piece, name, None)
    return value if isinstance(value, str) else ""
