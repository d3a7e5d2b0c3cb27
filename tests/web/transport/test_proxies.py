"""Which addresses are proxies: as uvicorn says, which reads the same setting."""

import pytest
from uvicorn.middleware.proxy_headers import _TrustedHosts

from monitor.web.transport.proxies import proxies_among

ALLOWED = [
    (),
    ("127.0.0.1",),
    ("10.0.0.0/8", "::1"),
    ("10.0.0.1/8",),
    ("*",),
    ("10.1.2.3", "*"),
    ("proxy.internal", "2001:db8::/32"),
]
ADDRESSES = [
    "127.0.0.1",
    "10.1.2.3",
    "11.0.0.1",
    "::1",
    "2001:db8::7",
    "2001:db9::7",
    "",
    "proxy.internal",
    "x",
]


@pytest.mark.parametrize("allowed", ALLOWED)
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_a_proxy_where_uvicorn_trusts_it(allowed: tuple[str, ...], address: str) -> None:
    assert proxies_among(allowed)(address) == (address in _TrustedHosts(list(allowed)))
