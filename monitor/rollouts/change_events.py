"""Change events for the steps of rollouts. Pure."""

import hashlib

from monitor.alerts.changes.change_event import ChangeEvent, named
from monitor.rollouts.plan import percent
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep

_SAID = {
    RolloutState.RUNNING: "receives {share} of the requests",
    RolloutState.PROMOTED: "is promoted",
    RolloutState.FAILED: "is worse and was withdrawn",
    RolloutState.STOPPED: "was withdrawn",
}


def change(rollout: Rollout, step: RolloutStep) -> ChangeEvent:
    """What a step has changed."""
    stream = rollout.stream
    words = _SAID[step.state].format(share=percent(step.share))
    return ChangeEvent(
        stream,
        "rollout",
        hashlib.sha256(f"{stream}\0{rollout.number}\0{step.number}".encode()).hexdigest()[:16],
        "RolloutStep",
        step.at,
        f"version {named(rollout.canary)} {words}",
        step.reason,
        rollout.canary,
        rollout.stable,
        "rollout",
    )
