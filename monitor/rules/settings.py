"""`rules:` in the configuration: which rule files are in force."""

from monitor.settings import Section


class RuleSettings(Section):
    """Which rule files are in force."""

    packs: tuple[str, ...] = ("critical", "warning", "info", "daemon")
    """Shipped packs, by name."""
    files: tuple[str, ...] = ()
    """Your own rule files, read after the packs; they may extend them or switch rules off."""
