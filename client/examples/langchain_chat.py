"""A LangChain model, here one that needs no network."""

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from watchkeeper_client import Client
from watchkeeper_client.integrations.langchain import WatchkeeperCallback

watchkeeper = Client()
answer = AIMessage(
    "Refunds take 14 days.", response_metadata={"finish_reason": "stop", "model_name": "small-2026"}
)
chat = GenericFakeChatModel(messages=iter([answer]), callbacks=[WatchkeeperCallback(watchkeeper)])

if __name__ == "__main__":
    print(chat.invoke("How long do refunds take?").content)  # noqa: T201
    watchkeeper.flush()
