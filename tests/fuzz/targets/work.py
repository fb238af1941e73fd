"""What work is made of: documents somebody has lying about, the index over them, what a model server streams."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import AsyncGenerator
from functools import cache
from pathlib import Path
from unittest import mock

from mesh_core.work.backends import openai
from mesh_core.work.backends.base import Prompt
from mesh_core.work.backends.openai import OpenAI
from mesh_core.work.corpus.build import build
from mesh_core.work.corpus.index import Index
from mesh_core.work.corpus.reading import Source
from mesh_core.work.errors import BackendError, CorpusError
from tests.fuzz.mutate import by_bytes
from tests.fuzz.scratch import scratch_folder
from tests.fuzz.target import Target, require_one_line, require_words
from tests.fuzz.wire import on_a_loop

_TEXT = "\n\n".join(
    f"# Part {n}\n\nDropout forgets at random; part {n} of a network learns. " * 4 for n in range(9)
)


@cache
def _folder() -> Path:
    root = scratch_folder()
    (root / "honest").mkdir()
    (root / "honest" / "a.txt").write_text(_TEXT)
    build(root / "honest", 3, root / "indexes").path.rename(root / "honest.index")
    return root


def run_corpus(data: bytes) -> None:
    """A document, plain or packed, or an index: by the first byte."""
    which, content = data[:1], data[1:]
    if which == b"i":
        _use_index(content)
        return
    documents = _folder() / "documents"
    shutil.rmtree(documents, ignore_errors=True)
    documents.mkdir()
    (documents / ("a.txt.gz" if which == b"g" else "a.txt")).write_bytes(content)
    source = Source(documents)
    found = list(source.documents())
    assert len(found) + len(source.skipped) == 1
    for skipped in source.skipped:
        require_one_line(skipped.reason)
    try:
        path = build(documents, 3, _folder() / "indexes").path
    except CorpusError as error:
        require_words(str(error))
    else:
        _search(path)
        path.unlink()


def _use_index(edits: bytes) -> None:
    """The honest index with bytes changed: three say where, one what is there instead."""
    content = bytearray((_folder() / "honest.index").read_bytes())
    for at in range(0, min(len(edits), 40) - 3, 4):
        content[int.from_bytes(edits[at : at + 3]) % len(content)] = edits[at + 3]
    path = _folder() / "damaged.index"
    path.write_bytes(content)
    try:
        _search(path)
    except CorpusError as error:
        require_words(str(error))


def _search(path: Path) -> None:
    index = Index(path)
    try:
        for shard in range(index.shards):
            for passage in index.search(("dropout", "part"), shard, 3):
                index.contains(shard, passage.source, passage.text)
    finally:
        index.close()


def run_model_stream(data: bytes) -> None:
    """The lines of a chat completion as it is streamed."""
    on_a_loop(_converse(data))


async def _converse(data: bytes) -> None:
    async def lines(*_: object) -> AsyncGenerator[bytes, None]:
        for line in data.split(b"\n"):
            yield line.rstrip(b"\r")

    async def body(*_: object) -> bytes:
        return data

    with mock.patch.object(openai, "post_lines", lines), mock.patch.object(openai, "get", body):
        try:
            writing = OpenAI("x", "http://a", "m").generate(Prompt("why?", ("because",), 2), max_tokens=9)
            text = [piece async for piece in writing]
            assert all(isinstance(piece, str) and piece for piece in text)
        except BackendError as error:
            require_words(str(error))
        problem = await OpenAI("x", "http://a").probe()
        assert problem is None or problem.split()


_STREAM = (
    b'data: {"choices":[{"delta":{"role":"assistant"},"finish_reason":null}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"Because"}}]}\r\n: a comment\n'
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\ndata: [DONE]\n'
)

TARGETS = (
    Target(
        "corpus",
        "documents, plain and packed, and the index",
        run_corpus,
        lambda: [
            b"d" + _TEXT.encode(),
            b"g" + gzip.compress(_TEXT.encode(), mtime=0),
            b"d\xef\xbb\xbfshort",
            *(b"i" + bytes([0, page * 16, at, 5]) for page in range(8) for at in (0, 3, 5, 100, 200)),
        ],
        by_bytes(
            (b"\n\n", b"# ", b"```\n", b"- ", b"\x00", b"\xff", b"\xe2\x80\xa8", b". ", b"x" * 3000, b"\r")
        ),
    ),
    Target(
        "model_stream",
        "what an OpenAI-compatible server answers",
        run_model_stream,
        lambda: [_STREAM, b'{"data":[{"id":"m"}]}', b'data: {"error":{"message":"no"}}'],
        by_bytes(
            (b"data: ", b"[DONE]", b"\n", b'"', b"null", b"\xff", b"[" * 3000, b'{"a":' * 3000, b"\\ud800")
        ),
    ),
)
