"""What a registrar is started with: a JSON file that the supervisor writes. Secrets are not in it: they come from the environment,
and keys from files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from mesh_core.chain.ens.errors import Misconfigured

URL_VARIABLE = "WHISPER_RPC_URL"
"""The RPC's address where it has a secret in it, in place of one in the settings."""

SETTINGS_BYTES_MAX = 1 << 20
_Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Own(Struct, frozen=True, forbid_unknown_fields=True):
    """A provider of this machine: what it is called, its name on the chain, its peer id, and the files of its peer key and of the
    key of its account, which is made when it is missing."""

    participant: str
    name: str
    peer: _Hex32
    peer_key: str
    account_key: str


class RegistrarSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Content of the file; paths are relative to its folder.

    `chain_id` is the chain that is expected at `rpc_url`. `payer_key` is the file of the key that owns `parent`; empty for the one
    in the environment. `controls` are control APIs that tell of members, the preferred one first. `minted` is the file in which
    names are kept that were asked for beside those of providers. A transaction stands when it is
    `confirmations` blocks deep; the chain is looked at every `poll_s` seconds.
    """

    rpc_url: str
    chain_id: int
    parent: str
    token_file: str
    controls: list[str]
    own: list[Own]
    minted: str = "minted.json"
    payer_key: str = ""
    confirmations: Annotated[int, Meta(ge=1, le=64)] = 1
    poll_s: Annotated[float, Meta(gt=0)] = 2.0


def load(path: Path) -> RegistrarSettings:
    """The settings in `path`. Raises Misconfigured with one line."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(SETTINGS_BYTES_MAX), type=RegistrarSettings)
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Misconfigured(f"{path}: {error}") from None
