"""The two files a participant is started with: node-config.json for AXL, provider.toml for the mesh process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from axl.config import NodeConfig
from axl.endpoint import Endpoint
from mesh_core.config import DEFAULT_SLOTS
from whisper_tui.errors import BadInput
from whisper_tui.supervisor.plan import Plan, Seat, replace
from whisper_tui.supervisor.rundir import ParticipantDir

CAPABILITIES = ("answer", "combine")
BOOTSTRAP_PEERS_MAX = 8
BASE_PRICE_MICRO = 10_000
PRICE_STEP_MICRO = 500
"""Providers differ a little in price, by less than what work away from its home shard costs extra."""

PRICES = 6


def write_node_config(files: ParticipantDir, seat: Seat, peers: Iterable[Endpoint]) -> None:
    """In the Go node's own schema; `peers` are to be dialled."""
    config = NodeConfig(
        private_key_path=_relative(files.key, files.root),
        peers=tuple(peers),
        listen=(seat.listener,),
        api_port=seat.axl_port,
    )
    replace(files.node_config, config.to_json().encode())


def listeners_for(plan: Plan, seat: Seat) -> list[Endpoint]:
    """Where `seat` finds the others: several, so that it joins also while some of them are dead."""
    others = [other for other in plan.participants if other.name != seat.name]
    return [other.listener for other in others[:BOOTSTRAP_PEERS_MAX]]


def write_settings(
    files: ParticipantDir, plan: Plan, seat: Seat, token_file: Path, credit: Mapping[str, int]
) -> None:
    """provider.toml. Paths in it are relative to it, so that a run directory can be moved."""
    provider = seat.role == "provider"
    index = int(seat.name.removeprefix("node")) if provider else 1
    table: dict[str, Any] = {
        "name": seat.name,
        "role": seat.role,
        "network": plan.network,
        "fast": plan.fast,
        "key": _relative(files.key, files.root),
        "store": files.store.name,
        "axl_url": f"http://127.0.0.1:{seat.axl_port}",
        "control_host": "127.0.0.1",
        "control_port": seat.control_port,
        "token_file": _relative(token_file, files.root),
        "log": files.log.name,
        "executes": provider,
        "capabilities": list(CAPABILITIES) if provider else [],
        "slots": DEFAULT_SLOTS,
        "price_micro": BASE_PRICE_MICRO + PRICE_STEP_MICRO * ((index - 1) % PRICES) if provider else 0,
        "shards": [(index - 1) % plan.shards_total] if provider else [],
        "shards_total": plan.shards_total,
        "exec_delay_s": plan.exec_delay,
        "corpus_index": _relative(Path(plan.corpus_index), files.root) if plan.corpus_index else "",
        "ens_name": plan.ens_name(seat),
        "electors": plan.electors,
        "retained_records": plan.retained_records,
        "credit": dict(credit),
        "backend": msgspec.to_builtins(plan.backend),
    }
    replace(files.settings, toml(table).encode())


def toml(table: Mapping[str, Any]) -> str:
    """`table` as TOML; tables in it, one level deep, come last as TOML wants it."""
    simple = [
        f"{key} = {_value(key, value)}" for key, value in table.items() if not isinstance(value, Mapping)
    ]
    sections = [
        "\n".join(
            ["", f"[{key}]", *(f"{_string(name)} = {_value(name, item)}" for name, item in value.items())]
        )
        for key, value in table.items()
        if isinstance(value, Mapping)
    ]
    return "\n".join([*simple, *sections]) + "\n"


def _value(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list):
        return "[" + ", ".join(_value(key, item) for item in value) + "]"
    raise TypeError(f"{key}: TOML knows no {type(value).__name__}")


def _string(text: str) -> str:
    """A basic string: JSON's escapes are TOML's, which wants DEL escaped as well."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"{text!r} is not text", "use names and paths in UTF-8") from error
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder)
