"""`rules:` in the configuration: which rule files are in force."""

from monitor.config.sections import FileName, Section


class RuleSettings(Section):
    """Which rule files are in force."""

    packs: tuple[str, ...] = ("critical", "warning", "info", "capacity", "answers", "daemon")
    """Names of the shipped packs to load."""
    files: tuple[FileName, ...] = ()
    """Your own rule files, loaded after the packs. They can change the packs' rules or switch them off."""
