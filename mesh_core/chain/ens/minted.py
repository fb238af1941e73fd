"""Names that were asked for beside those of providers: kept in a small file, so that they are looked after later too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from mesh_core.chain.ens.schema import NAMES_MAX


class Minted:
    """The file `path`: which participant each name was made for. One that cannot be read is as good as none: the names are on
    the chain."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: dict[str, str] = {}
        with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._names = msgspec.json.decode(path.read_bytes(), type=dict[str, str])

    @property
    def names(self) -> Mapping[str, str]:
        """Participant by name."""
        return self._names

    def add(self, name: str, participant: str) -> None:
        """Keep one more. Raises OSError."""
        self._names = {**self._names, name: participant}
        while len(self._names) > NAMES_MAX:
            self._names.pop(next(iter(self._names)))
        beside = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(self._names))
        beside.replace(self._path)
