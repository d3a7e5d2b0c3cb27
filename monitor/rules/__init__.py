"""Alerting rules: the language of rule files, the pure engine that evaluates them, and exports to Prometheus.

Start with `rule.py` (what a rule is) and `engine/evaluate.py` (how rules become alerts).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from monitor.rules.language.build import RuleMetric, known
from monitor.rules.language.parse import read_rules
from monitor.rules.rule import RuleSet


def load(paths: Sequence[Path], metrics: Iterable[RuleMetric], shipped: Path | None = None) -> RuleSet:
    """Read rule files. `shipped` is the folder of packs that a file can include by name.

    Raises:
        ConfigError: with every error of all files as file:line:column.
    """
    return read_rules(paths, known(metrics), shipped)
