"""The rules that a configuration names: shipped packs, then the user's own files.

What the state of models shows of the configuration includes them.
"""

from pathlib import Path

from monitor.config.root import Config
from monitor.errors import ConfigError
from monitor.metrics import METRICS
from monitor.rules import load
from monitor.rules.rule import RuleSet
from monitor.shipped import shipped
from monitor.status import Configured


def rules_of(config: Config) -> RuleSet:
    """Read the rule files that the configuration names.

    Raises:
        ConfigError: with every mistake in them.
    """
    return load(_files(config), METRICS, shipped("rules"))


def _files(config: Config) -> list[Path]:
    packs = [shipped("rules") / f"{name}.yaml" for name in config.rules.packs]
    return [*packs, *map(Path, config.rules.files)]


def configured(config: Config) -> Configured:
    """What the state of models shows of a configuration; with the mistakes in its rule files instead of the rules, if
    there are any.
    """
    rules, mistakes = None, list[str]()
    try:
        rules = rules_of(config)
    except ConfigError as error:
        mistakes = [str(problem) for problem in error.problems]
    return Configured(
        config.drift,
        {stream: model.held_against for stream, model in config.streams().items()},
        {client: list(section.models) for client, section in config.clients.items()},
        rules,
        config.alerts,
        {client: section.stale_after for client, section in config.clients.items()},
        mistakes,
    )


class ConfiguredReader:
    """Reads what the state of models shows of a configuration: its rule files only if they have changed."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._last: tuple[list[tuple[int, int]], Configured] | None = None

    def read(self) -> Configured:
        """As `configured`."""
        stamps, last = [_stamp(path) for path in _files(self._config)], self._last
        if last is not None and last[0] == stamps:
            return last[1]
        read = configured(self._config)
        self._last = stamps, read
        return read


def _stamp(path: Path) -> tuple[int, int]:
    """When a file was changed, in nanoseconds, and its size in bytes; zeros if it cannot be read."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
