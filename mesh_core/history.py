"""What a participant's store tells, before it is started, of how its ledger goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from mesh_core.checkpoint.newest import height_in
from mesh_core.io import store_file
from mesh_core.io.store_file import StoreError


def goes_on_from_checkpoint(store: Path) -> bool:
    """Whether records have been dropped from a store, so that its electors follow from that; also when that cannot be told,
    False where there is no store."""
    if not store.exists():
        return False
    try:
        with closing(store_file.look(store)) as connection:
            return height_in(store_file.read_meta(connection, store)) > 0
    except (sqlite3.Error, StoreError):
        return True
