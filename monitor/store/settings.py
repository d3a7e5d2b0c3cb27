"""The `store` section of the configuration."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from monitor.config.sections import Duration, FileName, Secret, Section, Written
from monitor.config.units import DAY


class StoreSettings(Section):
    """The one database."""

    url: Annotated[str, Written.DATABASE] = "sqlite:///var/watchkeeper.db"
    """`sqlite:///path`, or `postgresql+psycopg://user:password@host/name` for a database that several daemons
    share. A relative path is relative to the folder of this file."""
    key: Secret = Secret("")
    """64 hexadecimal digits, as `openssl rand -hex 32` prints them, from a file that only the daemon reads
    (`${file:...}`). With it, an SQLite database, reports and the spool are encrypted (extra `encryption`)."""
    keep_deliveries: Duration = 90.0 * DAY
    """How long sent notifications and their receipts are kept."""
    keep_gauges: Duration = Field(default=8.0 * DAY, ge=2.0 * DAY)
    """How long the readings of gauges are kept, one row a minute for each figure."""

    @field_validator("key")
    @classmethod
    def _is_key(cls, value: Secret) -> Secret:
        text = value.get_secret_value()
        if text and re.fullmatch(r"[0-9A-Fa-f]{64}", text) is None:
            raise ValueError("is not a key of 64 hexadecimal digits (create one with: openssl rand -hex 32)")
        return value

    @field_validator("url")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            kind = make_url(value).get_backend_name()
        except ArgumentError:
            kind = ""
        if kind not in ("sqlite", "postgresql"):  # the address itself is not shown: it may hold a password
            msg = "is not a database URL (use sqlite:///var/watchkeeper.db or postgresql+psycopg://user:password@host/name)"
            raise ValueError(msg)
        return value


class AuditSettings(Section):
    """The audit log. Its entries are kept for `windows.retention`."""

    key: Secret = Secret("")
    """The key that signs checkpoints: a random text, as `openssl rand -hex 32` prints it, from a file that only the
    daemon reads (`${file:...}`). Empty: checkpoints are not signed."""
    checkpoints: FileName = ""
    """A file to which the checkpoints of every hour are appended as JSON lines, on another disk or machine than the
    database. Empty: none."""
    report: Literal["monthly"] | None = None
    """The regular security audit by email to `to`, on the first day of each month at 08:00 UTC."""
    to: tuple[str, ...] = ()
    """Who receives it."""
