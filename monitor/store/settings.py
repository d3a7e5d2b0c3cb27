"""The `store` section of the configuration."""

from pydantic import field_validator
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from monitor.settings import Duration, Section


class StoreSettings(Section):
    """The one database."""

    url: str = "sqlite:///var/watchkeeper.db"
    """`sqlite:///path`, or `postgresql+psycopg://user:password@host/name` for a store that daemons share."""
    keep_deliveries: Duration = 90 * 86400.0
    """How long it is remembered what was told to whom."""

    @field_validator("url")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            kind = make_url(value).get_backend_name()
        except ArgumentError:
            kind = ""
        if kind not in ("sqlite", "postgresql"):  # the address itself is not shown: it may hold a password
            msg = "is no database (use sqlite:///var/watchkeeper.db or postgresql+psycopg://user:password@host/name)"
            raise ValueError(msg)
        return value
