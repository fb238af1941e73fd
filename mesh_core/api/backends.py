"""Where answers may come from: a table of provider.toml, and of the plan of a mesh that it is written from."""

from __future__ import annotations

from msgspec import Struct


class BackendSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """An empty URL means not available. The key of an OpenAI-compatible server is in the environment variable
    `openai_key_env`, never in a file."""

    ollama_url: str = ""
    ollama_model: str = ""
    openai_url: str = ""
    openai_model: str = ""
    openai_key_env: str = ""
    llama_cpp_url: str = ""

    @property
    def has_model(self) -> bool:
        """Whether a model is named, so that search is not all there can be."""
        return bool(self.ollama_url or self.openai_url or self.llama_cpp_url)
