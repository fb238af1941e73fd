"""The key of the account that owns the local chain's names: made once, kept like the keys of the participants."""

from __future__ import annotations

import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from eth_keys.datatypes import PrivateKey
from eth_utils import ValidationError

ROOT_KEY_FILE = "root.key"

_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]{64}\s*", re.ASCII)


class RootKeyError(Exception):
    """The file cannot be used; the message is one line that says why and what to do."""


def root_key(path: Path) -> PrivateKey:
    """The key in `path`, 64 hex digits, made when missing. Raises RootKeyError."""
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
    try:
        about = path.stat()
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise RootKeyError(f"{path}: {error.strerror}") from error
    if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
        raise RootKeyError(f"{path}: others can read it: chmod 600, or move it away, and a new one is made")
    if not _HEX.fullmatch(text):
        raise RootKeyError(f"{path}: expected 64 hex digits: move it away, and a new one is made")
    try:
        return PrivateKey(bytes.fromhex(text.strip().removeprefix("0x")))
    except ValidationError as error:
        raise RootKeyError(f"{path}: it is no private key: move it away, and a new one is made") from error
