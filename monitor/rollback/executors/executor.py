"""The interface of an executor: one attempt per call, within one deadline."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from monitor.config.sections import Duration, Secret, Section
from monitor.errors import WatchkeeperError
from monitor.rollback.order import Order
from monitor.visible import one_line

LONGEST = 500
"""Characters of an answer that are stored."""


class ExecutorError(WatchkeeperError):
    """An attempt failed. `is_certain`: nothing was done. Otherwise it is not known whether the order was carried out.

    The message is one printable line.
    """

    def __init__(self, message: str, *, is_certain: bool, code: int | None = None) -> None:
        super().__init__(one_line(message)[:LONGEST])
        self.is_certain = is_certain
        self.code = code


@dataclass(frozen=True, slots=True)
class ManualStep:
    """A step of the manual procedure: what it does, and a command for a shell, if there is one."""

    words: str
    command: str = ""


class Executor(Protocol):
    """Carries an order out."""

    seconds: float
    """Deadline of one attempt, all its requests together."""

    def execute(self, order: Order) -> str:
        """Carry the order out, and return the answer in a few words.

        Raises:
            ExecutorError: it was refused, or its outcome is not known.
        """
        ...


class ExecutorSettings(Section):
    """An executor in the configuration. Subclasses add `kind` and what it takes to reach the platform."""

    repeats_safely: ClassVar[bool] = False
    """Whether an order may be given again after an attempt whose outcome is not known."""
    freezes: ClassVar[bool] = False
    """Whether it can freeze a rollout. Others leave a freeze to the person that is paged."""
    rights: ClassVar[str] = ""
    """The least rights that it needs on the platform, in one sentence."""

    timeout: Duration = 30.0
    """Deadline of one attempt, from name resolution to the last byte of the answer."""

    @abstractmethod
    def make(self) -> Executor:
        """The executor. It connects only when it is called."""

    @abstractmethod
    def describe(self, order: Order) -> str:
        """What it would do, in one line, for a dry run."""

    @abstractmethod
    def manual(self, order: Order) -> tuple[ManualStep, ...]:
        """The same by hand."""

    def addresses(self) -> Mapping[str, str]:
        """The addresses that it calls, by the key that determines each."""
        url = getattr(self, "url", None)
        if url is None:
            return {}
        return {"url": url.get_secret_value() if isinstance(url, Secret) else str(url)}

    def version_names(self) -> tuple[str, Mapping[str, str]]:
        """The key that says what each version is called on the platform, and its content; empty without one."""
        return "", {}
