"""The secrets of a configuration, so that the log can hide them."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError


def secrets_of(section: BaseModel) -> Iterator[str]:
    """Yield every secret of a configuration, and the passwords in its database addresses."""
    for name in type(section).model_fields:
        yield from _secrets_in(getattr(section, name))


def _secrets_in(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        yield from secrets_of(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secrets_in(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _secrets_in(inner)
    elif isinstance(value, str) and "://" in value:
        yield from _passwords_in(value)


def _passwords_in(address: str) -> Iterator[str]:
    try:
        password = make_url(address).password
    except (ArgumentError, ValueError):
        return
    if password:
        yield str(password)
