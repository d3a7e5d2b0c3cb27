"""The rules in force. A reload that finds errors keeps the previous rules, and reports the errors."""

import logging
from collections.abc import Callable

from monitor.errors import ConfigError
from monitor.rules.rule import RuleSet

log = logging.getLogger(__name__)


class RuleReloader:
    """Holds the rule set and reloads it on request. Signal handlers may request a reload; the next tick does it."""

    def __init__(self, read: Callable[[], RuleSet]) -> None:
        self._read = read
        self._is_requested = False
        self.current = read()
        self.reloads = 0
        self.problems: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the rule files have errors, so that the previous rules are in force."""
        return bool(self.problems)

    def request(self) -> None:
        """Request a reload at the next tick."""
        self._is_requested = True

    def rules(self) -> RuleSet:
        """The rules in force; reloads them first if that was requested."""
        if self._is_requested:
            self._is_requested = False
            self.reloads += 1
            try:
                self.current = self._read()
                self.problems = ()
                log.info("rules reloaded", extra={"rules": len(self.current.rules)})
            except ConfigError as error:
                self.problems = tuple(str(problem) for problem in error.problems)
                log.error(
                    "rule reload failed, the previous rules stay active", extra={"errors": len(self.problems)}
                )
                for problem in self.problems:
                    log.error("invalid rule file", extra={"problem": problem})
        return self.current
