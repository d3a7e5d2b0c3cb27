"""An AWS Lambda function. It is frozen when its handler returns, so what was recorded is sent before."""

from watchkeeper_client import Client
from watchkeeper_client.integrations.functions import timed

watchkeeper = Client()


def handler(event: dict[str, dict[str, float]], context: object) -> dict[str, object]:
    """What AWS calls."""
    try:
        with timed(watchkeeper, features=event["features"]) as prediction:
            label = "fraud" if event["features"]["amount"] > 500 else "ok"
            prediction.set(label, id=getattr(context, "aws_request_id", None))
        return {"label": label}
    finally:
        watchkeeper.flush(timeout=1.0)
