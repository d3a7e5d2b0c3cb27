"""The client's wrappers for OpenAI clients and LangChain."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path as File
from typing import Any

import openai
import pytest
from langchain_core.documents import Document
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.retrievers import BaseRetriever
from watchkeeper_client import Client
from watchkeeper_client.integrations.langchain import WatchkeeperCallback
from watchkeeper_client.integrations.openai import watch_openai

from tests.client.stored import stored


@dataclass
class Model:
    url: str
    asked: int = 0


@pytest.fixture
def llm() -> Iterator[Model]:
    """A server that speaks as OpenAI's does."""
    made = Model("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.asked += 1
            head = {"id": f"chatcmpl-{made.asked}", "created": 1, "model": "gpt-small-2026"}
            if asked["model"] == "none":
                self.reply(429, json.dumps({"error": {"message": "slow down", "type": "rate"}}).encode())
            elif asked.get("stream"):
                pieces = [
                    {"delta": {"role": "assistant", "content": text}} for text in ("Refunds ", "take long.")
                ]
                pieces.append({"delta": {}, "finish_reason": "length"})
                chunks = [
                    {
                        **head,
                        "object": "chat.completion.chunk",
                        "choices": [{"index": 0, "finish_reason": None, **p}],
                    }
                    for p in pieces
                ]
                lines = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
                self.reply(200, b"".join(lines) + b"data: [DONE]\n\n", "text/event-stream")
            else:
                message = {"role": "assistant", "content": "Refunds take 14 days."}
                choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
                usage = {"prompt_tokens": 25, "completion_tokens": 6, "total_tokens": 31}
                whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
                self.reply(200, json.dumps(whole).encode())

        def reply(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


ASKED: list[Any] = [{"role": "user", "content": "How long?"}]


def check(rows: list[dict[str, Any]]) -> None:
    good, streamed, cancelled, bad = rows
    assert (good["prediction"], good["version"], good["id"]) == ("stop", "gpt-small-2026", "chatcmpl-1")
    assert (good["features.input_tokens"], good["features.output_tokens"]) == (25, 6)
    assert (good["features.input_characters"], good["features.output_characters"]) == (9, 21)
    assert good["features.temperature"] == 0.5
    assert good["features.requested_model"] == "gpt-small"
    assert (streamed["prediction"], streamed["features.output_characters"]) == ("length", 18)
    assert 0 < streamed["features.ttft_ms"] <= streamed["latency_ms"]
    assert cancelled["prediction"] == "cancelled"
    assert bad["error"] == "RateLimitError"
    assert not any("How long" in str(value) for row in rows for value in row.values())


def test_openai(llm: Model, client: Client, model: str, stores: File) -> None:
    with watch_openai(openai.OpenAI(base_url=llm.url, api_key="x", max_retries=0), client) as ai:
        create = ai.chat.completions.create
        answer = create(model="gpt-small", messages=ASKED, temperature=0.5)
        assert answer.choices[0].message.content == "Refunds take 14 days."
        stream = create(model="gpt-small", messages=ASKED, stream=True)
        assert "".join(piece.choices[0].delta.content or "" for piece in stream) == "Refunds take long."
        with ai.with_options(timeout=5).chat.completions.create(
            model="gpt-small", messages=ASKED, stream=True
        ) as stream:
            next(stream)
        with pytest.raises(openai.RateLimitError):
            create(model="none", messages=ASKED)
    check(stored(client, model, stores))


def test_openai_async(llm: Model, client: Client, model: str, stores: File) -> None:
    async def main() -> None:
        async with watch_openai(
            openai.AsyncOpenAI(base_url=llm.url, api_key="x", max_retries=0), client
        ) as ai:
            create = ai.chat.completions.create
            answer = await create(model="gpt-small", messages=ASKED, temperature=0.5)
            assert answer.choices[0].message.content == "Refunds take 14 days."
            stream = await create(model="gpt-small", messages=ASKED, stream=True)
            assert "".join([p.choices[0].delta.content or "" async for p in stream]) == "Refunds take long."
            async with await create(model="gpt-small", messages=ASKED, stream=True) as stream:
                await anext(stream)
            with pytest.raises(openai.RateLimitError):
                await create(model="none", messages=ASKED)

    asyncio.run(main())
    check(stored(client, model, stores))


def test_langchain_streams_and_tasks(client: Client, model: str, stores: File) -> None:
    answers: Iterator[AIMessage] = iter([AIMessage("Refunds take long."), AIMessage("Yes.")])
    chat = GenericFakeChatModel(
        messages=answers, callbacks=[WatchkeeperCallback(client, segments={"app": "help"})]
    )
    assert "".join(str(piece.content) for piece in chat.stream("How long?")) == "Refunds take long."
    assert asyncio.run(chat.ainvoke("Really?")).content == "Yes."
    streamed, whole = stored(client, model, stores)
    assert 0 < streamed["features.ttft_ms"] <= streamed["latency_ms"]
    assert streamed["features.output_characters"] == 18
    assert whole["segments.app"] == "help"


class Shelf(BaseRetriever):
    """A retriever that knows one document."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(page_content="Refunds take 14 days.")]


def test_texts_are_sent_where_they_are_asked_for(
    llm: Model, client: Client, model: str, stores: File
) -> None:
    ai = watch_openai(openai.OpenAI(base_url=llm.url, api_key="none", max_retries=0), client, texts=True)
    asked: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How long?"}]
    ai.chat.completions.create(model="gpt-small", messages=asked)
    for _ in ai.chat.completions.create(model="gpt-small", messages=asked, stream=True):
        pass
    chat = GenericFakeChatModel(messages=iter([AIMessage("Refunds take 30 days.")]))
    chain = Shelf() | (lambda found: f"{found[0].page_content} How long?") | chat
    chain.invoke("How long?", config={"callbacks": [WatchkeeperCallback(client, texts=True)]})

    whole, streamed, retrieved = stored(client, model, stores)
    assert whole["signals.answer_characters"] == len("Refunds take 14 days.")
    assert streamed["signals.answer_characters"] == len("Refunds take long.")
    assert streamed["signals.cut_answer"] is True
    assert whole["signals.unsupported_numbers"] is None  # without documents
    assert retrieved["signals.unsupported_numbers"] is True
    assert not [name for name in whole if name.startswith("texts.")]
