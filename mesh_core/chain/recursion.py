"""How deep Python may recurse.

Libraries of the chain raise the limit for the whole process when they are imported, py_ecc to 100,000: a parser that is given
deeply nested JSON then overflows its stack, which ends the process, where it should refuse.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

USUAL = 1_000
"""Python's own."""

EVM = 12_288
"""What py-evm needs for 1,024 contracts that call each other."""


def back_to_usual() -> None:
    """To be called once those libraries have been imported."""
    sys.setrecursionlimit(USUAL)


@contextmanager
def deep() -> Iterator[None]:
    """As deep as the EVM needs, within this block."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, EVM))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
