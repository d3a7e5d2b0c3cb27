"""The rules in force. A reload that finds mistakes keeps the old ones, and says so."""

import logging
from collections.abc import Callable

from monitor.errors import ConfigError
from monitor.rules.rule import RuleSet

log = logging.getLogger(__name__)


class Reloading:
    """Holds a rule set and replaces it when asked to. A signal handler may ask; a tick reads."""

    def __init__(self, read: Callable[[], RuleSet]) -> None:
        self._read = read
        self._asked = False
        self.current = read()
        self.problems: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the files on disk hold mistakes, so that older rules are in force."""
        return bool(self.problems)

    def ask(self) -> None:
        """Have the rules read anew at the next tick."""
        self._asked = True

    def rules(self) -> RuleSet:
        """The rules in force, read anew first if that was asked for."""
        if self._asked:
            self._asked = False
            try:
                self.current = self._read()
                self.problems = ()
                log.warning("the rules were read anew: %d rules are in force", len(self.current.rules))
            except ConfigError as error:
                self.problems = tuple(str(problem) for problem in error.problems)
                log.error("the old rules stay in force, the new ones have mistakes:\n%s", error)
        return self.current
