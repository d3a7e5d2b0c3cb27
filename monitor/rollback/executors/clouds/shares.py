"""Shares of traffic in percent, with those of a version given to another one. Pure."""

from collections.abc import Mapping

from monitor.rollback.executors.executor import ExecutorError


def moved(shares: Mapping[str, int], bad: str, other: str) -> dict[str, int]:
    """The shares with that of `bad` given to `other`, or to the greatest of the others if `other` is not known.

    Raises:
        ExecutorError: the shares do not name `bad`, or there is no other to take its traffic.
    """
    if bad not in shares:
        raise ExecutorError(f"{bad!r} is not among the deployments with traffic", is_certain=True)
    others = {name: share for name, share in shares.items() if name != bad}
    chosen = other or max(others, key=lambda name: (others[name], name), default="")
    if not chosen or chosen == bad:
        raise ExecutorError(f"no other deployment can take the traffic of {bad!r}", is_certain=True)
    return {**shares, bad: 0, chosen: shares.get(chosen, 0) + shares[bad]}
