"""What decoding bytes from outside may raise: they are somebody else's mistake, never ours.

A newer version's fields, and whatever else stands behind the known ones, are skipped by recursion in the decoder:
how deep that may go depends on how deep the caller's stack is already.
"""

from __future__ import annotations

import msgspec

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
