"""Restores what pandas records in the schema of a file and Parquet or Arrow alone would lose.

Categories of numbers are read from Parquet as plain numbers; an index without name is read as a column.
"""

import json
import re
from typing import Any

import pyarrow as pa

_INDEX = re.compile(r"__index_level_\d+__")


def restored(rows: pa.RecordBatch | pa.Table) -> pa.RecordBatch | pa.Table:
    """The rows as in the frame: with categories, and without an index that has no name."""
    schema = rows.schema
    kept = [name for name in schema.names if not _INDEX.fullmatch(name)]
    categories = categorical(schema)
    if len(kept) == len(schema.names) and not categories:
        return rows
    if len(kept) < len(schema.names):
        rows = rows.drop_columns([name for name in schema.names if _INDEX.fullmatch(name)])
    for index, name in enumerate(rows.schema.names):
        if name in categories:
            rows = rows.set_column(index, name, rows.column(index).dictionary_encode())
    return rows


def categorical(schema: pa.Schema) -> frozenset[str]:
    """The columns that were categories in the frame and are plain in the file."""
    notes = _notes(schema).get("columns", ())
    named = {str(column.get("field_name")) for column in notes if column.get("pandas_type") == "categorical"}
    return frozenset(
        field.name for field in schema if field.name in named and not pa.types.is_dictionary(field.type)
    )


def is_index(name: str) -> bool:
    """Whether a column is an index without name."""
    return _INDEX.fullmatch(name) is not None


def _notes(schema: pa.Schema) -> dict[str, Any]:
    try:
        notes = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
        columns = notes.get("columns", [])
    except (ValueError, AttributeError, RecursionError):
        return {}
    is_usual = isinstance(columns, list) and all(isinstance(column, dict) for column in columns)
    return notes if is_usual else {}
