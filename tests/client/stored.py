"""What a daemon has on disk."""

import sqlite3
from pathlib import Path
from typing import Any

from watchkeeper_client import Client

from monitor.predictions.log.batch import decode


def predictions(folder: Path, model: str) -> list[dict[str, Any]]:
    """The predictions of acme's `model`, in the order in which they were taken."""
    return _rows(folder, model, "prediction_batches")


def outcomes(folder: Path, model: str) -> list[dict[str, Any]]:
    """What became known, of acme's `model`."""
    return _rows(folder, model, "outcome_batches")


def _rows(folder: Path, model: str, table: str) -> list[dict[str, Any]]:
    query = (
        f"select b.blob from {table} b join streams s on s.id = b.stream"
        " where s.client = 'acme' and s.model = ? order by b.id"
    )
    with sqlite3.connect(f"file:{folder}/watchkeeper.db?mode=ro", uri=True) as connection:
        blobs = connection.execute(query, (model,)).fetchall()
    return [row for (blob,) in blobs for row in decode(blob).to_pylist()]


def stored(client: Client, model: str, stores: Path) -> list[dict[str, Any]]:
    """The stored predictions of a model, once the client has sent all its records."""
    assert client.flush()
    return predictions(stores, model)
