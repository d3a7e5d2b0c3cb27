"""Rules: what to watch for, in files; and the pure engine that judges them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from monitor.rules.build import Metric, known
from monitor.rules.parse import read_rules
from monitor.rules.rule import RuleSet


def load(paths: Sequence[Path], metrics: Iterable[Metric], shipped: Path | None = None) -> RuleSet:
    """Read rule files. `shipped` is the folder of the packs that a file may include by name.

    Raises:
        ConfigError: with every mistake of all files as file:line:column.
    """
    return read_rules(paths, known(metrics), shipped)
