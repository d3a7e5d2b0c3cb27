"""The rules that a configuration names: shipped packs, then the user's own files.

What the state of models shows of the configuration includes them.
"""

from pathlib import Path

from monitor.config.root import Config
from monitor.config.units import format_duration
from monitor.errors import ConfigError, Problem
from monitor.metrics import METRICS
from monitor.rules import load
from monitor.rules.engine.measurable import Unmeasurable, measurable, unmeasured_lengths
from monitor.rules.rule import Entry, Rule, RuleSet
from monitor.shipped import shipped
from monitor.status import Configured


def rules_of(config: Config) -> RuleSet:
    """Read the rule files that the configuration names.

    Raises:
        ConfigError: with every mistake in them.
    """
    return load(_files(config), METRICS, shipped("rules"))


def rules_in_force(config: Config) -> RuleSet:
    """The rules as a daemon judges them: without the parts over windows that its base windows are too long for.

    Raises:
        ConfigError: with every mistake in the rule files.
    """
    return measurable(rules_of(config), int(config.predictions.base_window))


def warnings_of(rules: RuleSet, config: Config) -> list[Problem]:
    """The rules that cannot do what is written, because the base windows are too long for their windows."""
    base, found = int(config.predictions.base_window), dict[tuple[str, str], Problem]()
    entries = measurable(rules, base).entries
    for written, entry in zip(rules.entries, entries, strict=True):
        for rule, judged in zip(_of(written), _of(entry), strict=True):
            reason = _unmeasured(rule, judged, base)
            path, _, line = rule.source.rpartition(":")
            if reason:
                problem = Problem(path, int(line), 1, rule.name, reason, "warning")
                found.setdefault((rule.name, reason), problem)
    return sorted(found.values())


def _of(entry: Entry) -> list[Rule]:
    return [entry.rule, *(override.rule for override in entry.overrides if override.rule is not None)]


def _unmeasured(written: Rule, judged: Rule, base_seconds: int) -> str:
    """What a daemon does not judge of a rule, and what to do about it; the empty string if it judges all of it."""
    lengths = sorted(unmeasured_lengths(written.condition, base_seconds))
    if not lengths:
        return ""
    base, spans = format_duration(base_seconds), " and ".join(map(format_duration, lengths))
    if isinstance(judged.condition, Unmeasurable):
        what = f"this rule never fires: its windows ({spans}) are shorter than the base windows of {base}"
    elif judged.condition != written.condition:
        what = f"its part over {spans} is not judged: the base windows have {base}"
    else:
        what = (
            f"its windows of {spans} are no multiple of the base windows of {base}, and are measured shorter"
        )
    longer = format_duration(-(-lengths[-1] // base_seconds) * base_seconds)
    return f"{what}. Shorten predictions.base_window, or change it under `extend` in a rule file (`over: {longer}`)"


def _files(config: Config) -> list[Path]:
    packs = [shipped("rules") / f"{name}.yaml" for name in config.rules.packs]
    return [*packs, *map(Path, config.rules.files)]


def configured(config: Config) -> Configured:
    """What the state of models shows of a configuration; with the mistakes in its rule files instead of the rules, if
    there are any.
    """
    rules, mistakes = None, list[str]()
    try:
        rules = rules_in_force(config)
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
