"""What a configuration means, in a few lines: for `watchkeeper check-config`."""

from monitor.config.root import Config
from monitor.config.rule_files import rules_of
from monitor.drift.explain import detection_delay
from monitor.notify import build
from monitor.records import Severity
from monitor.visible import counted


def summary(config: Config) -> list[str]:
    """Read everything that `config` leads to; say in a few lines what it means.

    Raises:
        ConfigError: with every mistake in the rule files.
    """
    rules = rules_of(config).rules
    tiers = ", ".join(f"{sum(rule.severity is tier for rule in rules)} {tier}" for tier in Severity)
    models = [str(stream) for stream in config.streams()]
    channels = ", ".join(build(config.notify)) or "none: nobody will be notified"
    return [
        f"{counted(len(rules), 'rule')}: {tiers}",
        f"models: {', '.join(models) or 'none named: every client is accepted'}",
        f"channels: {channels}",
        f"drift: {detection_delay.typical(config.drift)}",
    ]
