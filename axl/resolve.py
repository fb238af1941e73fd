"""Names to addresses.

asyncio's own look-up runs in threads for which the interpreter waits at its end: a name server that does not
answer would keep a node from ending when it is told to.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress

from axl.endpoint import Endpoint


async def addresses_of(endpoint: Endpoint) -> list[Endpoint]:
    """The same endpoint by each address of its host, in the system's order. Raises OSError."""
    if endpoint.is_numeric:
        return [endpoint]
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(found: list[str], error: OSError | None) -> None:
        if answer.done():
            return  # nobody waits any more
        if error is None:
            answer.set_result(found)
        else:
            answer.set_exception(error)

    def look_up() -> None:
        found: list[str] = []
        error = None
        try:
            infos = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
            found = [str(address[0]) for *_, address in infos]
        except OSError as failure:
            error = failure
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, found, error)

    threading.Thread(target=look_up, name=f"look up {endpoint.host}", daemon=True).start()
    return [Endpoint(host, endpoint.port, endpoint.key) for host in await answer]
