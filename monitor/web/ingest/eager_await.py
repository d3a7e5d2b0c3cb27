"""Awaits what most often does not have to wait."""

from collections.abc import Awaitable, Generator
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class EagerAwait(Generic[Result]):
    """An awaitable that has run up to where it has to wait. If it never had to, `is_done`, and `result` is its result.

    Begin it in the task that awaits it, and await nothing else in between.
    """

    __slots__ = ("_steps", "_waits_for", "is_done", "result")

    def __init__(self, awaitable: Awaitable[Result]) -> None:
        self._steps: Generator[Any, Any, Result] = awaitable.__await__()
        self.result: Result
        try:
            self._waits_for: object = next(self._steps)
        except StopIteration as end:
            self.is_done, self.result = True, end.value
        else:
            self.is_done = False

    def __await__(self) -> Generator[Any, Any, Result]:
        while not self.is_done:
            try:
                yield self._waits_for
            except BaseException as error:  # it was cancelled while it waited
                self._go_on(error)
            else:
                self._go_on(None)
        return self.result

    def _go_on(self, error: BaseException | None) -> None:
        try:
            self._waits_for = next(self._steps) if error is None else self._steps.throw(error)
        except StopIteration as end:
            self.is_done, self.result = True, end.value
