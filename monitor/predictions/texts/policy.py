"""What becomes of the texts of a client's calls after they are measured."""

from enum import StrEnum


class TextPolicy(StrEnum):
    """`drop` keeps none, `redact` keeps them without personal data and secrets, `keep` keeps them as they came."""

    DROP = "drop"
    REDACT = "redact"
    KEEP = "keep"
