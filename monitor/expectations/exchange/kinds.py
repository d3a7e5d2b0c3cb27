"""Recognizes the tool that a file is of, and reads it."""

from collections.abc import Mapping
from pathlib import Path

from monitor.errors import InputError
from monitor.expectations.exchange import great_expectations_suite, pandera_schema, sagemaker_constraints
from monitor.expectations.exchange.imported import ImportedSuite, content_of


def read(path: Path) -> ImportedSuite:
    """The expectations of a file of SageMaker, Great Expectations or pandera.

    Raises:
        InputError, ConfigError: it cannot be read, or is of none of them.
    """
    content = content_of(path)
    if isinstance(content, Mapping):
        for key, reader in _READERS.items():
            if key in content:
                return reader(path, content)
    reason = "`features` (SageMaker's constraints.json), `expectations` (a suite of Great Expectations) or `columns`"
    raise InputError(f"{path} has none of {reason} (a schema of pandera)")


_READERS = {
    "features": sagemaker_constraints.read,
    "expectations": great_expectations_suite.read,
    "columns": pandera_schema.read,
}
