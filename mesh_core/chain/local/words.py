"""JSON-RPC's two kinds of words, quantities and data, read strictly and written."""

from __future__ import annotations

import re
from typing import Any

from eth_utils import to_checksum_address

QUANTITY_BYTES_MAX = 32

_QUANTITY = re.compile("0x[0-9a-fA-F]{1,64}", re.ASCII)
_DATA = re.compile("0x(?:[0-9a-fA-F]{2})*", re.ASCII)


class WordError(Exception):
    """Something in a request is not what stands there; the message is one line."""


def quantity(number: int) -> str:
    """A number, without leading zeros."""
    return hex(number)


def data(content: bytes) -> str:
    """Bytes."""
    return "0x" + content.hex()


def address(content: bytes) -> str:
    """An address, with its checksum."""
    return to_checksum_address(content)


def read_quantity(word: Any, what: str) -> int:
    """Raises WordError; `what` names the word in it."""
    if not isinstance(word, str) or not _QUANTITY.fullmatch(word):
        raise WordError(f"{what}: expected a number such as 0x1f")
    return int(word, 16)


def read_data(word: Any, what: str, size: int | None = None) -> bytes:
    """Bytes, exactly `size` when it is given. Raises WordError."""
    if not isinstance(word, str) or not _DATA.fullmatch(word):
        raise WordError(f"{what}: expected bytes such as 0x00ff")
    content = bytes.fromhex(word[2:])
    if size is not None and len(content) != size:
        raise WordError(f"{what}: expected {size} bytes, got {len(content)}")
    return content


def read_address(word: Any, what: str) -> bytes:
    """20 bytes. Raises WordError."""
    return read_data(word, what, 20)
