"""Free ports of the loopback interface."""

import random
import socket

_LOW, _HIGH = 10_000, 32_000
"""Below the ports that the kernel gives to outgoing connections, so that none takes the port of a server that is about
to start, or to start again."""
_ANY = random.SystemRandom()  # processes of tests that run side by side draw different ports


def free_port() -> int:
    """A port that nobody listens on now."""
    while True:
        port = _ANY.randint(_LOW, _HIGH)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
