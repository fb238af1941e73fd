"""Ollama, through its own client.

The client and the httpx below it cost 23 MB, so they are loaded with the first answer; whether a server is
there and which models it has is asked without them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from mesh_core.wire.malformed import MALFORMED
from mesh_core.work.backends.base import Prompt
from mesh_core.work.backends.http import get
from mesh_core.work.backends.proxy import proxy_for
from mesh_core.work.errors import BackendError
from mesh_core.work.options import CONNECT_S, READ_S


class _Model(Struct):
    name: str


class _Tags(Struct):
    models: tuple[_Model, ...]


_TAGS = msgspec.json.Decoder(_Tags)


class Ollama:
    """One Ollama server; answers with the wanted model, else with the first that is installed."""

    def __init__(self, url: str, model: str) -> None:
        self._url = (url if "://" in url else f"http://{url}").rstrip("/")
        self._wanted = model
        self._model = ""

    @property
    def name(self) -> str:
        """Kind and model."""
        return f"ollama {self._model}".rstrip()

    async def probe(self) -> str | None:
        """Whether the server is there and has a model; chooses it."""
        try:
            installed = [model.name for model in _TAGS.decode(await get(f"{self._url}/api/tags", {})).models]
        except BackendError as error:
            return str(error)
        except MALFORMED as error:
            return f"its list of models is not what was expected: {error}"
        if not installed:
            return f"no model is installed at {self._url}; ollama pull {self._wanted}"
        fitting = [name for name in installed if name in (self._wanted, f"{self._wanted}:latest")]
        self._model = (fitting or installed)[0]
        return None

    async def generate(self, prompt: Prompt, *, max_tokens: int) -> AsyncGenerator[str, None]:
        """Stream a chat. The client does not complain when a stream is cut, so its last part must say `done`."""
        import httpx  # noqa: PLC0415 (see above)
        import ollama  # noqa: PLC0415

        if not self._model and (problem := await self.probe()):
            raise BackendError(problem)
        client = ollama.AsyncClient(
            host=self._url,
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
            limits=httpx.Limits(max_keepalive_connections=0),  # the connection ends with the answer
            trust_env=proxy_for(urlsplit(self._url)) is not None,
        )
        options = {"num_predict": max_tokens, "temperature": 0}
        done = False
        try:
            parts: Any = await client.chat(self._model, prompt.messages(), stream=True, options=options)
            async with aclosing(parts):
                async for part in parts:
                    done = bool(part.done)
                    if part.message.content:
                        yield part.message.content
        except Exception as error:  # the client lets through whatever a strange answer makes it raise
            raise BackendError(" ".join(f"{type(error).__name__} {error}".split())) from error
        if not done:
            raise BackendError("the stream ended before the answer was complete")
