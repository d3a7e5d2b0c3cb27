"""Traffic of a model as a client would send it."""

import itertools
import time
from typing import Any

from tests.support.daemon import Daemon

_numbers = itertools.count()


def prediction(**fields: Any) -> dict[str, Any]:
    """One answer of `acme/fraud`, now; `fields` replace what it says."""
    number = next(_numbers)
    return {
        "id": f"p{number}",
        "client": "acme",
        "model": "fraud",
        "timestamp": time.time(),
        "features": {"amount": 10.0 + number % 50, "country": ("DE", "FR", "IT")[number % 3]},
        "prediction": "ok" if number % 10 else "fraud",
        "confidence": 0.7 + 0.3 * (number % 7) / 7,
        "latency_ms": 20.0 + number % 11,
        **fields,
    }


def failed(**fields: Any) -> dict[str, Any]:
    """One question that got an error for an answer."""
    without = {"prediction": None, "confidence": None, "error": "upstream_timeout", **fields}
    return {name: value for name, value in prediction(**without).items() if value is not None}


def send(daemon: Daemon, records: list[dict[str, Any]], **headers: str) -> int:
    """Post them; how many were accepted."""
    answer = daemon.post("/v1/predictions", records, **headers)
    assert answer.status_code == 202, answer.text
    return int(answer.json()["accepted"])
