"""What can go wrong between a client and its bridge."""

from __future__ import annotations

from axl.http_message import HttpError


class AxlError(Exception):
    """The bridge answered with an error, or with something that is no answer."""


class AxlUnavailable(AxlError):
    """The bridge cannot be reached or does not answer. It may be back later."""


class PeerUnreachable(AxlError):
    """A message is not known to have reached a peer's inbox."""

    def __init__(self, peer: bytes, why: str) -> None:
        super().__init__(f"cannot reach {peer.hex()}: {why}")
        self.peer = peer
        self.why = why


def explained(bridge: str, error: HttpError | OSError) -> AxlError:
    """A failure of the connection to `bridge`, in these terms."""
    if isinstance(error, HttpError):
        return AxlError(f"the AXL bridge at {bridge} does not speak HTTP: {error}")
    return AxlUnavailable(f"the AXL bridge at {bridge} cannot be reached: {str(error) or 'no answer'}")
