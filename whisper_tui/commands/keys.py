"""`keys`: who the participants are. Private parts are never printed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from axl.keys import KeyFileError, address_of, load, make
from whisper_tui.commands.output import print_json, print_line, print_table
from whisper_tui.errors import BadInput
from whisper_tui.program import typed
from whisper_tui.supervisor.prepare import SUBMITTERS
from whisper_tui.supervisor.rundir import RunDir


def show(run: RunDir, as_json: bool) -> None:
    """Every key of the run directory: its owner, peer id, address and file."""
    rows = [_row(name, path) for name, path in _key_files(run)]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["NAME", "PEER ID", "ADDRESS", "FILE"],
        [[row["name"], row["peer"], row["address"], row["file"]] for row in rows],
        typed(f"no keys in {run.root}; `whisper-tui up` makes them", run.root),
    )
    if any(row["name"] in SUBMITTERS for row in rows):
        guests = f"{SUBMITTERS[0]} to {SUBMITTERS[-1]} are for guests"
        print_line(typed(f"{guests}: `whisper-tui submit --axl URL` asks with one of them", run.root))


def make_one(path: Path, as_json: bool) -> None:
    """Make a new key file."""
    try:
        peer = make(path).peer
    except KeyFileError as error:
        raise BadInput(str(error)) from error
    if as_json:
        print_json({"peer": peer.hex(), "file": str(path)})
    else:
        print_line(f"{peer.hex()} {path}")


def _row(name: str, path: Path) -> dict[str, str]:
    try:
        peer = load(path).peer
    except KeyFileError as error:
        raise BadInput(str(error)) from error
    return {"name": name, "peer": peer.hex(), "address": address_of(peer), "file": str(path)}


def _key_files(run: RunDir) -> Iterator[tuple[str, Path]]:
    for folder in (run.root, run.submitters):
        for path in sorted(
            folder.glob("*/key.pem"), key=lambda path: (len(path.parent.name), path.parent.name)
        ):
            yield path.parent.name, path
