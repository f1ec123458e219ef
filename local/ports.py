"""Picks free loopback ports."""

from __future__ import annotations

import contextlib
import random
import socket

from local.errors import LocalClusterError

# Below every usual ephemeral range: the kernel never gives one of these to an outgoing
# connection between our looking and the server's binding.
_LOWEST, _HIGHEST = 12000, 31999
_TRIES = 500


def free_ports(count: int) -> list[int]:
    """`count` different loopback TCP ports that nobody listens on."""
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        for _ in range(_TRIES):
            if len(ports) == count:
                return ports
            port = random.randint(_LOWEST, _HIGHEST)
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                ports.append(port)
    raise LocalClusterError(f"no {count} free ports between {_LOWEST} and {_HIGHEST}")


def is_free(port: int) -> bool:
    """Whether nobody listens on this loopback TCP port."""
    with socket.socket() as probe, contextlib.suppress(OSError):
        # As servers do: a port whose last connections linger is free all the same.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False
