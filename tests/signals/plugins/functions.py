"""Plug-ins that work, and all kinds that do not."""

import os
import time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def length(calls: pa.Table) -> pa.Array:
    print("prints go elsewhere")
    return pc.utf8_length(calls["output"])


def is_short(calls: pa.Table) -> list[bool | None]:
    return [None if text is None else len(text) < 3 for text in calls["output"].to_pylist()]


def odd_numbers(calls: pa.Table) -> list[float]:
    return [float("nan"), float("inf"), 1.5][: calls.num_rows]


def raises(calls: pa.Table) -> list[float]:
    raise RuntimeError("no model here")


def too_few(calls: pa.Table) -> list[float]:
    return [1.0]


def words(calls: pa.Table) -> list[str]:
    return ["good"] * calls.num_rows


def dies(calls: pa.Table) -> Any:
    os._exit(3)


def hangs(calls: pa.Table) -> Any:
    time.sleep(600)
