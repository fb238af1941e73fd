"""Why something ended: texts that are short, because signed statements repeat them."""

from __future__ import annotations

from mesh_core.config import limit


def short(text: str) -> str:
    """`text`, cut to what a statement may carry."""
    return text.encode(errors="replace")[: limit("reason_bytes_max")].decode(errors="ignore")


def is_short(text: str) -> bool:
    """Whether a statement may carry `text`."""
    return len(text.encode(errors="replace")) <= limit("reason_bytes_max")
