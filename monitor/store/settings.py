"""The `store` section of the configuration."""

from monitor.settings import Duration, Section


class StoreSettings(Section):
    """The one database."""

    url: str = "sqlite:///var/watchkeeper.db"
    """`sqlite:///path`, or `postgresql+psycopg://user:password@host/name` for a store that daemons share."""
    keep_deliveries: Duration = 90 * 86400.0
    """How long it is remembered what was told to whom."""
