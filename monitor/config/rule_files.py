"""The rules that a configuration names: shipped packs, then the user's own files."""

from pathlib import Path

from monitor.config.root import Config
from monitor.metrics import METRICS
from monitor.rules import load
from monitor.rules.rule import RuleSet
from monitor.shipped import shipped


def rules_of(config: Config) -> RuleSet:
    """Read the rule files that the configuration names.

    Raises:
        ConfigError: with every mistake in them.
    """
    folder = shipped("rules")
    packs = [folder / f"{name}.yaml" for name in config.rules.packs]
    return load([*packs, *map(Path, config.rules.files)], METRICS, folder)
