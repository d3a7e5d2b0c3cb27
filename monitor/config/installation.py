"""What the configuration says about security, for the report of the security audit."""

from monitor.config.schema import Config
from monitor.maintenance.security_report import Installation


def installation_of(config: Config) -> Installation:
    """Encryption, TLS, signature and retention as configured."""
    return Installation(
        bool(config.audit.key.get_secret_value()),
        bool(config.store.key.get_secret_value()),
        config.web.is_secure,
        config.web.host in ("127.0.0.1", "::1", "localhost"),
        config.web.session_idle,
        {
            "predictions": config.predictions.retention,
            "quarantine": config.predictions.quarantine_retention,
            "figures and audit log": config.windows.retention,
            "notifications": config.store.keep_deliveries,
        },
    )
