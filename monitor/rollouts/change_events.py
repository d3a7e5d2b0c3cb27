"""Change events for the steps of rollouts, so that the pager shows them next to the incident that followed. Pure.

A change event pages no one. It is a row of the outbox with a key of its own, so it is sent once, whoever made the step:
the daemon, a command or a page.
"""

import hashlib
from collections.abc import Iterable

from monitor.alerts.compose import model_page
from monitor.alerts.notification import Notification, encode
from monitor.alerts.settings import AlertSettings
from monitor.records import Action, Delivery, Priority, Severity
from monitor.rollouts.plan import percent
from monitor.store.rollouts import Rollout, RolloutState, Step
from monitor.texts import shortened
from monitor.visible import visible

_LONGEST_NAME, _LONGEST_REASON = 120, 400
_SAID = {
    RolloutState.RUNNING: "receives {share} of the requests",
    RolloutState.PROMOTED: "is promoted",
    RolloutState.FAILED: "is worse and was withdrawn",
    RolloutState.STOPPED: "was withdrawn",
}


def change_events(
    rollout: Rollout, step: Step, channels: Iterable[str], settings: AlertSettings, now: float
) -> list[Delivery]:
    """One change event per channel for a step."""
    stream = rollout.stream
    digest = hashlib.sha256(f"{stream}\0{rollout.number}\0{step.number}".encode()).hexdigest()[:16]
    key = f"watchkeeper:{stream.environment}:rollout:{digest}"
    canary, stable = (shortened(visible(name), _LONGEST_NAME) for name in (rollout.canary, rollout.stable))
    said = _SAID[step.state].format(share=percent(step.share))
    body = encode(
        Notification(
            action=Action.CHANGE,
            key=key,
            severity=Severity.INFO.value,
            title=f"{stream.client}/{stream.model} {stream.environment}: version {canary} {said}",
            impact="",
            client=stream.client,
            model=stream.model,
            environment=stream.environment,
            alert="RolloutStep",
            started_at=step.at,
            reason=shortened(visible(step.reason), _LONGEST_REASON),
            links=model_page(stream, settings),
            labels=tuple(sorted({"version": canary, "before": stable, **dict(stream.labels)}.items())),
            said_at=now,
        )
    )
    return [Delivery(name, key, 1, Action.CHANGE, body, now, Priority.LAST) for name in channels]
