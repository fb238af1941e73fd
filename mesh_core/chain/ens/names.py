"""Names in their normal form (ENSIP-15), and the hashes that stand for them on a chain (EIP-137)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from eth_utils.crypto import keccak

NAME_BYTES_MAX = 255
LABEL_BYTES_MAX = 63
"""Of one label in the wire format of DNS, in which universal resolvers take names (RFC 1035 §2.3.4)."""

LABELS_MAX = 16

_PLAIN = re.compile(r"_*[a-z0-9-]+", re.ASCII)
"""A label that is its own normal form, unless it has hyphens in its third and fourth place."""


class BadName(ValueError):
    """A text is no name, or not one in its normal form; the message is one line."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name in normal form. `node` is its namehash, `dns` its wire format."""

    text: str
    node: bytes
    dns: bytes

    @property
    def label(self) -> str:
        """Its first label."""
        return self.text.partition(".")[0]

    @property
    def labelhash(self) -> bytes:
        """The hash of its first label."""
        return keccak(self.label.encode())

    @property
    def parent(self) -> str:
        """The name below which it stands, empty for one of a single label."""
        return self.text.partition(".")[2]

    def is_below(self, parent: Name) -> bool:
        """Whether it stands anywhere below `parent`."""
        return self.text.endswith(f".{parent.text}")


def read_name(text: str) -> Name:
    """The name that was typed, in its normal form. Raises BadName for a text that has none."""
    if not text or len(text) > NAME_BYTES_MAX or len(text.encode("utf-8", "replace")) > NAME_BYTES_MAX:
        raise BadName(f"a name has 1 to {NAME_BYTES_MAX} bytes")
    if text.count(".") >= LABELS_MAX:
        raise BadName(f"a name has at most {LABELS_MAX} labels")
    normal = text if all(map(_is_plain, text.split("."))) else _normalised(text)
    labels = [label.encode() for label in normal.split(".")]
    if not all(1 <= len(label) <= LABEL_BYTES_MAX for label in labels):
        raise BadName(f"each label of a name has 1 to {LABEL_BYTES_MAX} bytes")
    dns = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return Name(normal, namehash(normal), dns)


def namehash(normal: str) -> bytes:
    """The node of a name that is in normal form (EIP-137)."""
    node = bytes(32)
    for label in reversed(normal.split(".")):
        node = keccak(node + keccak(label.encode()))
    return node


def _is_plain(label: str) -> bool:
    return _PLAIN.fullmatch(label) is not None and label[2:4] != "--"


def _normalised(text: str) -> str:
    """The normal form as web3 makes it: its tables of all scripts take 60 MB, and most names do without."""
    from ens.exceptions import ENSValidationError, InvalidName  # noqa: PLC0415
    from ens.utils import normalize_name  # noqa: PLC0415

    try:
        return str(normalize_name(text))
    except (InvalidName, ENSValidationError, UnicodeError, TypeError) as error:
        raise BadName(" ".join(str(error).split())[:200] or "it has no normal form") from error


def normal_name(text: str) -> Name:
    """The name that somebody else claims. Raises BadName unless it is in its normal form already: what is claimed is compared,
    hashed and shown as it stands."""
    name = read_name(text)
    if name.text != text:
        raise BadName(f"its normal form is {name.text}")
    return name
