"""How verdicts on canaries read the windows of both versions, as configured."""

from monitor.config.schema import Config
from monitor.rollouts.load_arms import ArmSettings


def reading_of(config: Config) -> ArmSettings:
    """The length and lateness of base windows, the tasks of models, and what is tolerated of a model's canaries."""
    base, lateness = int(config.predictions.base_window), config.windows.lateness
    return ArmSettings(base, lateness, config.measuring(), lambda stream: config.model(stream).canary)
