"""A FastAPI service: uvicorn fastapi_service:app."""

from fastapi import FastAPI
from pydantic import BaseModel

from watchkeeper_client import Client
from watchkeeper_client.integrations.asgi import WatchkeeperMiddleware
from watchkeeper_client.integrations.payload import Payload

watchkeeper = Client()
app = FastAPI()
app.add_middleware(
    WatchkeeperMiddleware,
    client=watchkeeper,
    routes={
        "/predict": Payload(
            id="$.request.order",
            features="$.request.features",
            prediction="$.response.label",
            confidence="$.response.score",
        )
    },
)


class Order(BaseModel):
    """What the service is asked."""

    order: str
    features: dict[str, float]


@app.post("/predict")
def predict(order: Order) -> dict[str, object]:
    """Answer with a label."""
    score = min(order.features["amount"] / 1_000, 1.0)
    return {"label": "fraud" if score > 0.5 else "ok", "score": max(score, 1 - score)}


@app.post("/orders/{order}/truth")
def truth(order: str, label: str) -> None:
    """Somebody found out what it was."""
    watchkeeper.outcome(order, truth=label)
