"""How many of the process's descriptors connections may have."""

import resource

_MOST_WAITING, _EACH = 1000, 16


def descriptors_for_connections() -> int:
    """How many of the process's descriptors connections may use: deliveries and the store keep the others.

    The soft limit is raised as far as this process may.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft == resource.RLIM_INFINITY:
        return 65_536
    return max(soft - 256, soft // 2)


def descriptors_for_waiting() -> int:
    """How many of one address may be connections that nobody has begun with, and half of those of all addresses."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST_WAITING
    return max(1, min(_MOST_WAITING, soft // _EACH))
