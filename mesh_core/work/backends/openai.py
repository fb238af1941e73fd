"""Any server that speaks the OpenAI chat protocol: the local llama.cpp server, vLLM, hosted ones."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
from msgspec import Struct

from mesh_core.wire.malformed import MALFORMED
from mesh_core.work.backends.base import Prompt
from mesh_core.work.backends.http import get, post_lines
from mesh_core.work.errors import BackendError, PromptTooLongError


class _Delta(Struct):
    content: str | None = None


class _Choice(Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _Chunk(Struct):
    choices: tuple[_Choice, ...] = ()
    error: Any = None


class _Model(Struct):
    id: str


class _Models(Struct):
    data: tuple[_Model, ...]


_TOO_LONG = (
    "exceed_context_size",
    "exceeds the available context",
    "context_length_exceeded",
    "maximum context length",
)
"""How servers say that a prompt does not fit: llama.cpp, and those that follow OpenAI."""

_CHUNK = msgspec.json.Decoder(_Chunk)
_MODELS = msgspec.json.Decoder(_Models)


class OpenAI:
    """One server and one of its models; without a model named, the first the server lists.

    `url` is the address below which `/chat/completions` is found, usually ending in `/v1`. `key_env` names the
    environment variable that holds the key, empty for servers without keys.
    """

    def __init__(self, kind: str, url: str, model: str = "", key_env: str = "") -> None:
        self._kind = kind
        self._url = url.rstrip("/")
        self._model = model
        self._key_env = key_env

    @property
    def name(self) -> str:
        """Kind and model."""
        return f"{self._kind} {self._model}".rstrip()

    async def probe(self) -> str | None:
        """Whether the server lists its models; chooses one when none is named."""
        try:
            models = await self._models()
        except BackendError as error:
            return str(error)
        if not self._model and models:
            self._model = models[0]
        return None if self._model else "the server lists no model"

    async def generate(self, prompt: Prompt, *, max_tokens: int) -> AsyncGenerator[str, None]:
        """Stream a completion. A stream that ends without a finish reason is an error, however much came."""
        if not self._model and (problem := await self.probe()):
            raise BackendError(problem)
        body = {
            "model": self._model,
            "messages": prompt.messages(),
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
        }
        finished = False
        try:
            async with aclosing(post_lines(f"{self._url}/chat/completions", self._headers(), body)) as lines:
                async for line in lines:
                    field, _, data = line.partition(b":")
                    if field != b"data":
                        continue
                    if data.strip() == b"[DONE]":
                        return
                    for choice in self._choices(data):
                        finished = finished or choice.finish_reason is not None
                        if choice.delta.content:
                            yield choice.delta.content
        except BackendError as error:
            if any(mark in str(error) for mark in _TOO_LONG):
                raise PromptTooLongError(str(error)) from error
            raise
        if not finished:
            raise BackendError("the stream ended before the answer was complete")

    def _choices(self, data: bytes) -> tuple[_Choice, ...]:
        try:
            chunk = _CHUNK.decode(data)
        except MALFORMED as error:
            raise BackendError(f"the stream is not what was expected: {error}") from error
        if chunk.error is not None:
            raise BackendError(f"the server reports: {str(chunk.error)[:160]}")
        return chunk.choices

    async def _models(self) -> list[str]:
        try:
            return [
                model.id for model in _MODELS.decode(await get(f"{self._url}/models", self._headers())).data
            ]
        except MALFORMED as error:
            raise BackendError(f"its list of models is not what was expected: {error}") from error

    def _headers(self) -> dict[str, str]:
        if not self._key_env:
            return {}
        key = os.environ.get(self._key_env)
        if not key:
            raise BackendError(f"the environment variable {self._key_env} holds no key")
        return {"Authorization": f"Bearer {key}"}
