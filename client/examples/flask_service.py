"""A Flask service: flask --app flask_service run."""

from flask import Flask, request

from watchkeeper_client import Client
from watchkeeper_client.integrations.payload import Payload
from watchkeeper_client.integrations.wsgi import WatchkeeperMiddleware

watchkeeper = Client()
app = Flask(__name__)
app.wsgi_app = WatchkeeperMiddleware(  # type: ignore[method-assign]
    app.wsgi_app,
    watchkeeper,
    {"/predict": Payload(features="$.request.rows[*]", prediction="$.response.labels[*]")},
)


@app.post("/predict")
def predict() -> dict[str, object]:
    """Answer with a label for each row."""
    rows = request.get_json()["rows"]
    return {"labels": ["fraud" if row["amount"] > 500 else "ok" for row in rows]}
