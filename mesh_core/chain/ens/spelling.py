"""How a name is written in ASCII: what looks like another name does not there. Pure, and no library is needed.

A name that is not ASCII may look exactly like one that is (a Cyrillic о for an o). Each label that is not ASCII is shown as
IDNA writes it, `xn--` and Punycode (RFC 3492), beside the name itself. This is for the eye: on the chain a name is the hash of
its normal form (`names.py`).
"""

from __future__ import annotations

CHARS_MAX = 255


def ascii_form(name: str) -> str:
    """`name` in ASCII, cut to `CHARS_MAX` characters; the same where it is ASCII already."""
    if name.isascii():
        return name[:CHARS_MAX]
    return ".".join(_label(label) for label in name[:CHARS_MAX].split("."))[:CHARS_MAX]


def other_spelling(name: str) -> str:
    """The ASCII form of a name where it is another one, else empty."""
    form = ascii_form(name)
    return "" if form == name else form


def _label(label: str) -> str:
    if label.isascii():
        return label
    return "xn--" + label.encode("utf-8", "replace").decode("utf-8").encode("punycode").decode("ascii")
