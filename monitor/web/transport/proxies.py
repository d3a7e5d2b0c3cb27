"""Which addresses are proxies that requests of many senders come through."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

_MOST_KNOWN = 4096


def proxies_among(allowed: Sequence[str]) -> Callable[[str], bool]:
    """Whether an address is a proxy. `allowed` are addresses and networks, or `*` alone, as uvicorn reads them."""
    if not allowed or tuple(allowed) == ("*",):
        return lambda _address: bool(allowed)
    networks = [network for network in map(_network, allowed) if network is not None]
    names = set(allowed)

    @lru_cache(_MOST_KNOWN)
    def is_proxy(address: str) -> bool:
        if address in names:
            return True
        try:
            there = ip_address(address)
        except ValueError:
            return False
        return any(there in network for network in networks)

    return is_proxy


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None
