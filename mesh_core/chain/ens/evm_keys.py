"""Keys of accounts: each provider's is made once and kept beside its peer key; that of the parent name's owner comes from a file,
the environment or an encrypted keystore. None is ever printed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from eth_keys.datatypes import PrivateKey
from eth_utils.exceptions import ValidationError

from mesh_core.chain.ens.errors import Misconfigured
from mesh_core.chain.local.root import RootKeyError, root_key

KEY_VARIABLE = "WHISPER_ENS_KEY"
KEYSTORE_VARIABLE = "WHISPER_ENS_KEYSTORE"
PASSWORD_VARIABLE = "WHISPER_ENS_PASSWORD"  # noqa: S105 - where it is, not what

KEYSTORE_BYTES_MAX = 64 << 10


def account_key(path: Path) -> PrivateKey:
    """The key in `path`, made when missing, readable by its owner only. Raises Misconfigured."""
    try:
        return root_key(path)
    except RootKeyError as error:
        raise Misconfigured(str(error)) from None
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from None


def key_from_environment(environment: Mapping[str, str]) -> PrivateKey | None:
    """The key of whoever registers names, None when nothing names one. Raises Misconfigured for one that cannot be used; no
    message shows any of it."""
    if text := environment.get(KEY_VARIABLE, "").strip():
        return _read(text.removeprefix("0x"), KEY_VARIABLE)
    if keystore := environment.get(KEYSTORE_VARIABLE, "").strip():
        return _decrypted(Path(keystore).expanduser(), environment.get(PASSWORD_VARIABLE, ""))
    return None


def _read(digits: str, where: str) -> PrivateKey:
    try:
        if len(digits) != 64:
            raise ValueError
        return PrivateKey(bytes.fromhex(digits))
    except (ValueError, ValidationError):
        raise Misconfigured(f"{where}: expected a private key of 64 hexadecimal digits") from None


def _decrypted(path: Path, password: str) -> PrivateKey:
    """The key in an encrypted keystore file (Web3 Secret Storage), as geth and others write it."""
    from eth_account import Account  # noqa: PLC0415 - needed by few

    if not password:
        raise Misconfigured(f"{KEYSTORE_VARIABLE} is set and {PASSWORD_VARIABLE} is not")
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(KEYSTORE_BYTES_MAX))
        return PrivateKey(bytes(Account.decrypt(content, password)))
    except OSError as error:
        raise Misconfigured(f"{KEYSTORE_VARIABLE}: {path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, ValidationError):
        raise Misconfigured(
            f"{KEYSTORE_VARIABLE}: {path} cannot be opened: another password, or no keystore"
        ) from None
