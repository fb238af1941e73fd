"""What can go wrong with a chain, told apart by what is to be done about it. Each message is one line."""

from __future__ import annotations


class ChainError(Exception):
    """Something about the chain is not as it must be."""


class ChainUnavailable(ChainError):
    """Nobody answers, or not in time, or nothing that can be understood: try again later. `wait_s` is how long the other side
    has asked to be left alone, 0 when it has not."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class Refused(ChainError):
    """The chain, a contract or a service says no, and will again: it takes a person, or a change of what is asked."""


class TooDear(Refused):
    """It would cost more than may be spent."""


class Misconfigured(Refused):
    """What is configured does not fit what is there: another chain, an address without code, a name that is not ours."""
