"""Ports of this machine for servers that tests start."""

import random
import socket

GIVEN: set[int] = set()
"""Ports that were found free; who asked for one listens on it only later."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on; the kernel gives none of these to outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        if port in GIVEN:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        GIVEN.add(port)
        return port
