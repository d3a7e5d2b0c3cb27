"""A callback for LangChain: each call of a model is a prediction."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from watchkeeper_client.client import Client
from watchkeeper_client.integrations.completions import Completion, characters

_MOST_UNDER_WAY = 10_000
"""Calls of which the end may never be reported."""


class WatchkeeperCallback(BaseCallbackHandler):
    """Records the calls of chat models and of language models, as `Completion` says.

    `texts=True` records texts as well: what was asked and answered, and the documents that retrievers of the same run
    returned before.
    """

    def __init__(self, client: Client, *, texts: bool = False, **fields: Any) -> None:
        self._client = client
        self._with_texts = texts
        self._documents: dict[UUID | None, list[str]] = {}
        self._fields = fields
        self._calls: dict[UUID, Completion] = {}

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """A chat model is called."""
        self._begin(run_id, [one for conversation in messages for one in conversation], kwargs)

    def on_retriever_end(
        self,
        documents: Any,
        *,
        run_id: UUID,  # noqa: ARG002
        parent_run_id: UUID | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Documents were retrieved."""
        if self._with_texts:
            while len(self._documents) >= _MOST_UNDER_WAY:
                self._documents.pop(next(iter(self._documents)), None)
            contents = [
                text for one in documents if isinstance(text := getattr(one, "page_content", None), str)
            ]
            self._documents[parent_run_id] = contents

    def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """A language model is called."""
        self._begin(run_id, list(prompts), kwargs)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """A piece of a streamed answer came."""
        call = self._calls.get(run_id)
        if call is not None and token:
            call.features["stream"] = True
            call.first_piece()

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """The answer is whole."""
        call = self._calls.pop(run_id, None)
        if call is None:
            return
        reason = version = ""
        try:
            generation = response.generations[0][0]
            call.features["output_characters"] = characters(generation.text)
            if call.texts is not None:
                call.texts["output"] = generation.text
            message = getattr(generation, "message", None)
            metadata = getattr(message, "response_metadata", None) or generation.generation_info or {}
            reason = str(
                metadata.get("finish_reason")
                or metadata.get("stop_reason")
                or metadata.get("done_reason")
                or ""
            )
            version = str(metadata.get("model_name") or metadata.get("model") or "")
            usage = getattr(message, "usage_metadata", None) or {}
            for name in ("input_tokens", "output_tokens"):
                if isinstance(usage.get(name), int):
                    call.features[name] = usage[name]
        except (AttributeError, IndexError, TypeError):  # a model that answers otherwise
            pass
        call.end(reason, version=version)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """The model raised."""
        call = self._calls.pop(run_id, None)
        if call is not None:
            call.end(error=error)

    def _begin(self, run_id: UUID, messages: list[Any], kwargs: dict[str, Any]) -> None:
        while len(self._calls) >= _MOST_UNDER_WAY:
            self._calls.pop(next(iter(self._calls)), None)
        request = dict(kwargs.get("invocation_params") or {})
        request.setdefault("model", request.get("model_name"))
        asked = {**request, "messages": messages}
        call = Completion(self._client, self._fields, asked, with_texts=self._with_texts)
        documents = self._documents.pop(kwargs.get("parent_run_id"), None)
        if documents and call.texts is not None:
            call.texts["context"] = documents
        self._calls[run_id] = call
