"""Numbers that are none: no event of a mesh and no state has one, and whatever is drawn from one goes wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Set
from typing import Any

from msgspec import Struct

_LIKELY = re.compile(rb"\xca[\x7f\xff][\x80-\xff]|\xcb[\x7f\xff][\xf0-\xff]", re.DOTALL)
"""How infinity and NaN begin in msgpack. Other numbers may hold such bytes too, text never does."""


def has_infinity(packed: bytes, value: Any) -> bool:
    """Whether a float in `value`, which msgpack decoded from `packed`, is infinite or NaN."""
    # Looking through a large state costs more than decoding it: it is done only where the bytes leave a doubt.
    return _LIKELY.search(packed) is not None and not _is_finite(value)


def _is_finite(value: Any) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case Struct():
            return all(_is_finite(getattr(value, field)) for field in value.__struct_fields__)
        case Mapping():
            return all(_is_finite(key) and _is_finite(held) for key, held in value.items())
        case list() | tuple() | Set():
            return all(map(_is_finite, value))
    return True
