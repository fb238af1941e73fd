"""The door to cryptography and randomness: the core calls it, the runtime and the simulator provide it."""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Verifier(Protocol):
    """What anyone can do with public keys alone."""

    def verify(self, peer: bytes, data: bytes, signature: bytes) -> bool:
        """Whether `signature` over `data` is `peer`'s; False also for malformed input."""


class Crypto(Verifier, Protocol):
    """What a node can do with its own key and with others' public keys."""

    def sign(self, data: bytes) -> bytes:
        """64-byte signature by this node's key."""

    def new_secret(self) -> bytes:
        """16 fresh random bytes."""

    def encrypt(self, secret: bytes, data: bytes) -> bytes:
        """Authenticated encryption under a key derived from the 16-byte `secret`."""

    def decrypt(self, secret: bytes, data: bytes) -> bytes:
        """Inverse of `encrypt`; raises SecrecyError when the secret or the data is wrong."""

    def split(self, secret: bytes, threshold: int, count: int) -> list[bytes]:
        """`count` shares of a 16-byte secret, any `threshold` of which give it back (Shamir 1979)."""

    def combine(self, shares: Sequence[bytes]) -> bytes:
        """The secret of at least `threshold` shares; garbage for fewer or wrong ones."""

    def seal(self, peer: bytes, data: bytes) -> bytes:
        """Anonymous public-key encryption to `peer`."""

    def open(self, sealed: bytes) -> bytes:
        """Open what was sealed to this node; raises SecrecyError."""


class SecrecyError(Exception):
    """Something sealed could not be opened: wrong key, wrong secret or altered bytes."""


class Rng(Protocol):
    """The part of `random.Random` the core uses."""

    def random(self) -> float:
        """Uniform in [0, 1)."""

    def uniform(self, a: float, b: float) -> float:
        """Uniform in [a, b]."""

    def randrange(self, stop: int, /) -> int:
        """Uniform integer in [0, stop)."""

    def choice(self, seq: Sequence[T]) -> T:
        """One element."""

    def sample(self, population: Sequence[T], k: int) -> list[T]:
        """k different elements."""

    def shuffle(self, x: MutableSequence[T]) -> None:
        """Permute in place."""
