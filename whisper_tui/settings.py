"""What the environment says, `.env` of the current folder included: the habits of earlier versions keep working.

A variable that is set wins over `.env`; a flag wins over both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from whisper_tui import ownership
from whisper_tui.errors import BadInput

ENV_FILE = Path(".env")
ENV_FILE_BYTES_MAX = 64 << 10
_MEND = "move it away, or have it say NAME=VALUE line by line"
NAMED_MAX = 8
"""Variables that are named when they are ignored."""

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True)
class Variable:
    """An environment variable that Whisper reads, and what for."""

    name: str
    meaning: str
    secret: bool = False


VARIABLES = (
    Variable("FAST_MODE", "1: shorter timers, for demonstrations (--fast)"),
    Variable("EXEC_DELAY", "seconds that every execution takes at least (--exec-delay)"),
    Variable("OLLAMA_BASE_URL", "where Ollama listens; http://127.0.0.1:11434 is tried by itself"),
    Variable("WHISPER_MODEL", "the model asked of Ollama; llama3.2 by default"),
    Variable("WHISPER_OPENAI_URL", "an OpenAI-compatible server, up to and including /v1"),
    Variable("WHISPER_OPENAI_MODEL", "the model asked of it"),
    Variable("WHISPER_OPENAI_KEY", "its key, if it wants one", secret=True),
    Variable("WHISPER_ENS_PARENT", "the name below which providers are registered; axl.eth by default"),
    Variable("WHISPER_RPC_URL", "the node of --chain sepolia or mainnet", secret=True),
    Variable("WHISPER_CHAIN_ID", "the chain of --chain URL; Sepolia's, 11155111, by default"),
    Variable("WHISPER_ENS_KEY", "the private key of the account that owns the parent name", secret=True),
    Variable("WHISPER_ENS_KEYSTORE", "the same in an encrypted keystore file"),
    Variable("WHISPER_ENS_PASSWORD", "what opens it", secret=True),
    Variable("WHISPER_ENS_MAINNET", "1: names may be registered on mainnet, where they cost money"),
    Variable("WHISPER_ENS_COST_CAP", "the most that a transaction may cost, in ether; 0.01 by default"),
    Variable("WHISPER_ENS_REGISTRY", "address of ENS's registry, if it is another one"),
    Variable("WHISPER_ENS_RESOLVER", "address of the resolver for names whose parent has none"),
    Variable("WHISPER_ENS_WRAPPER", "address of the name wrapper"),
    Variable("JUSTANAME_API_KEY", "names are kept at JustaName, not on the chain", secret=True),
)


@dataclass(frozen=True)
class Settings:
    """The environment, read. `fast` and `exec_delay` (seconds) are None when nothing is said about them; `ignored` is one
    line about what was left out of the file, empty when nothing was."""

    environment: Mapping[str, str]
    fast: bool | None
    exec_delay: float | None
    ignored: str = ""

    def get(self, name: str) -> str:
        """Value of a variable, empty when it is not set."""
        return self.environment.get(name, "")


def read(env_file: Path = ENV_FILE) -> Settings:
    """The environment, and of `env_file` the variables that are meant for Whisper; BadInput for a line or value that
    cannot be understood.

    The file lies in whatever folder somebody happens to be in, and the environment reaches every process that is
    started: no other variable is taken from it, and none at all from somebody else's.
    """
    said, ignored = _from_file(env_file)
    environment = {**said, **os.environ}
    return Settings(
        environment, _flag(environment, "FAST_MODE"), _seconds(environment, "EXEC_DELAY"), ignored
    )


def _from_file(path: Path) -> tuple[dict[str, str], str]:
    """The variables of the file that are taken, and one line about the others."""
    with suppress(OSError):  # reading it says what is wrong
        if owner := ownership.owner(path.stat()):
            return {}, f"{path} belongs to {owner}, not to you: it is ignored"
    known = {variable.name for variable in VARIABLES}
    values = parse_env_file(path)
    others = [name for name in values if name not in known]
    more = f" and {len(others) - NAMED_MAX} more" if len(others) > NAMED_MAX else ""
    told = (
        f"{path}: {', '.join(others[:NAMED_MAX])}{more} ignored, not a setting of Whisper" if others else ""
    )
    return {name: value for name, value in values.items() if name in known}, told


def parse_env_file(path: Path) -> dict[str, str]:
    """KEY=VALUE lines; blank lines, comments, `export` and quotes around the value are understood."""
    try:
        with path.open("rb") as file:
            text = file.read(ENV_FILE_BYTES_MAX).decode()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", _MEND) from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} cannot be read: it is no text", _MEND) from error
    values = {}
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip().removeprefix("export ").lstrip()
        if not bare or bare.startswith("#"):
            continue
        name, equals, value = bare.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier() or "\0" in value:
            raise BadInput(
                f"{path} line {number}: expected NAME=VALUE", "correct that line, or move the file away"
            )
        values[name] = _unquoted(value.strip())
    return values


def _unquoted(value: str) -> str:
    for quote in ("'", '"'):
        if len(value) >= 2 and value[0] == value[-1] == quote:
            return value[1:-1]
    return value.split(" #", 1)[0].rstrip()


def _flag(environment: Mapping[str, str], name: str) -> bool | None:
    if name not in environment:
        return None
    word = environment[name].strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise BadInput(f"{name}={environment[name]}: expected 1 or 0")


def _seconds(environment: Mapping[str, str], name: str) -> float | None:
    text = environment.get(name, "").strip()
    if not text:
        return None
    return seconds(text, f"{name}={text}")


def seconds(text: str, what: str) -> float:
    """A duration such as `15`, `1.5` or `3s`, in seconds; BadInput that begins with `what` for anything else."""
    try:
        value = float(text.strip().removesuffix("s"))
    except ValueError:
        value = float("nan")
    if not 0 <= value < float("inf"):
        raise BadInput(f"{what}: expected seconds, such as 15 or 1.5")
    return value
