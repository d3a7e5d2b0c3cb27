"""A page to send: what the tests of channels have in common."""

from dataclasses import replace

from monitor.alerts.notification import Link, Notification
from monitor.records import Action

PAGE = Notification(
    action=Action.TRIGGER,
    key="watchkeeper:production:HighErrorRate:0123456789abcdef:1",
    severity="critical",
    title="acme/fraud production: 31 % of predictions fail (limit 5 %)",
    impact="About 31 % of the callers get an error.",
    client="acme",
    model="fraud",
    environment="production",
    alert="HighErrorRate",
    started_at=1_800_000_000.0,
    value="31 %",
    limit="5 %",
    sample="n = 210 over the last 1m",
    causes=("version 7 is serving since 14:01 UTC (before: 6)",),
    commands=("watchkeeper explain 'acme & co/fraud/production/HighErrorRate'",),
    checks=("Which errors?", "Since when?", "Is it one version?"),
    links=(Link("Runbook", "https://example.org/HighErrorRate"),),
    labels=(
        ("alert", "HighErrorRate"),
        ("client", "acme"),
        ("environment", "production"),
        ("model", "fraud"),
        ("severity", "critical"),
    ),
    said_at=1_800_000_000.0,
)
RESOLVE = replace(PAGE, action=Action.RESOLVE, ended_at=PAGE.started_at + 90, said_at=PAGE.started_at + 90)
