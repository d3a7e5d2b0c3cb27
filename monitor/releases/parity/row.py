"""One line of a comparison of two environments."""

from dataclasses import dataclass
from enum import StrEnum


class ParityLevel(StrEnum):
    """How alike two things have to be: equal digests, the same meaning, the same answers, similar distributions."""

    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    BEHAVIOURAL = "behavioural"
    DISTRIBUTION = "distribution"


class ParityStanding(StrEnum):
    """The outcome of one comparison, worst first."""

    DIFFERS = "differs"
    UNKNOWN = "not known"
    AGREED = "agreed"
    EQUAL = "equal"


@dataclass(frozen=True, slots=True)
class ParityRow:
    """One comparison: `point` groups rows, `name` is what the configuration may agree to, `note` says what is wrong or
    what to send.
    """

    point: str
    name: str
    level: ParityLevel
    standing: ParityStanding
    left: str = ""
    right: str = ""
    note: str = ""

    @property
    def order(self) -> tuple[int, str, str]:
        """Rows in this order are worst first."""
        return (list(ParityStanding).index(self.standing), self.point, self.name)
