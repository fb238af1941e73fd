"""Running work: progress, delays, turns, cancelling."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mesh_core.wire.messages import Work
from mesh_core.work.errors import WorkError
from mesh_core.work.executor import Executor, WorkSettings
from mesh_core.work.result import decode_answer
from tests.unit.work.corpora import built
from tests.unit.work.servers import ScriptedServer, chunk, scripted, stream

CHAT = "/v1/chat/completions"
QUESTION = "How do bees make honey from nectar?"


class Seen:
    """Progress of one execution."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.text = ""
        self.started = asyncio.Event()

    def __call__(self, tokens: int, text: str) -> None:
        self.tokens.append(tokens)
        self.text += text
        self.started.set()


def work_on(folder: Path) -> tuple[Path, Work]:
    index = built(folder)
    return index.path, Work("answer", QUESTION, index.hash, 0)


async def test_the_result_is_what_was_streamed(tmp_path: Path) -> None:
    path, work = work_on(tmp_path)
    executor, seen = Executor(WorkSettings(path)), Seen()
    assert await executor.prepare() == "search (no model configured)"
    answer = decode_answer(await executor.run(work, seen))
    assert seen.text.strip() == answer.text
    assert seen.tokens == list(range(1, len(answer.text.split()) + 1))
    assert executor.backend_name == answer.backend == "search"


async def test_backends_are_preferred_in_their_order_and_reasons_are_told(tmp_path: Path) -> None:
    path, work = work_on(tmp_path)
    listed = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + '{"data": [{"id": "local"}]}'
    answers = {"/v1/models": listed, CHAT: stream(chunk("Honey.", "stop"))}
    async with scripted(answers) as server:
        settings = WorkSettings(path, ollama_url=server.url + "/none", llama_cpp_url=server.url + "/")
        executor = Executor(settings)
        line = await executor.prepare()
        assert line.startswith("llama_cpp local (ollama: http://127.0.0.1")
        assert decode_answer(await executor.run(work, Seen())).backend == "llama_cpp local"


async def test_a_model_server_that_is_gone_is_replaced_by_search_which_says_so(tmp_path: Path) -> None:
    path, work = work_on(tmp_path)
    async with scripted({CHAT: stream(chunk("Hon"))}) as server:
        executor = Executor(WorkSettings(path, openai_url=server.url + "/v1", openai_model="m"))
        answer = decode_answer(await executor.run(work, Seen()))
    assert answer.backend == "search"
    assert answer.notes == ("openai m failed: the stream ended before the answer was complete",)


async def test_a_held_execution_has_streamed_tokens_and_ends_after_the_delay(tmp_path: Path) -> None:
    path, work = work_on(tmp_path)
    seen = Seen()
    task = asyncio.create_task(Executor(WorkSettings(path, exec_delay_s=0.2)).run(work, seen))
    begun = asyncio.get_running_loop().time()
    await seen.started.wait()
    result = await task
    assert asyncio.get_running_loop().time() - begun >= 0.19
    assert seen.text.strip() == decode_answer(result).text


async def test_an_answer_of_a_single_piece_is_held_too(tmp_path: Path) -> None:
    path, work = work_on(tmp_path)
    nothing = Work("answer", "zebra", work.corpus, 0)
    seen = Seen()
    task = asyncio.create_task(Executor(WorkSettings(path, exec_delay_s=60)).run(nothing, seen))
    await seen.started.wait()
    _, running = await asyncio.wait({task}, timeout=0.02)
    assert running
    task.cancel()


async def test_cancelling_an_execution_hangs_up_on_the_model_server(tmp_path: Path) -> None:
    path, work = work_on(tmp_path)
    async with scripted({CHAT: stream(chunk("Hon")) + ScriptedServer.HANG}) as server:
        executor, seen = Executor(WorkSettings(path, openai_url=server.url + "/v1", openai_model="m")), Seen()
        task = asyncio.create_task(executor.run(work, seen))
        await seen.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.hung_up.wait(), 5)


async def test_cancelling_a_held_execution_hangs_up_too(tmp_path: Path) -> None:
    path, work = work_on(tmp_path)
    answer = stream(*[chunk("Honey ")] * 5) + ScriptedServer.HANG
    async with scripted({CHAT: answer}) as server:
        settings = WorkSettings(path, exec_delay_s=60, openai_url=server.url + "/v1", openai_model="m")
        executor, seen = Executor(settings), Seen()
        task = asyncio.create_task(executor.run(work, seen))
        await seen.started.wait()
        await executor.aclose()
        assert task.cancelled()
        await asyncio.wait_for(server.hung_up.wait(), 5)


async def test_executions_beyond_the_slots_wait_for_their_turn(tmp_path: Path) -> None:
    path, work = work_on(tmp_path)
    executor = Executor(WorkSettings(path, exec_delay_s=60, slots=1))
    first, second = Seen(), Seen()
    held = asyncio.create_task(executor.run(work, first))
    await first.started.wait()
    waiting = asyncio.create_task(executor.run(work, second))
    await asyncio.wait({waiting}, timeout=0.02)
    assert not second.started.is_set()
    held.cancel()
    await asyncio.wait_for(second.started.wait(), 5)
    await executor.aclose()
    assert waiting.cancelled()


async def test_work_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="does not know work of kind"):
        await Executor(WorkSettings()).run(Work("paint", "", "", None), Seen())


async def test_a_damaged_index_fails_the_job_with_a_reason(tmp_path: Path) -> None:
    path, work = work_on(tmp_path)
    path.write_bytes(b"noise" * 4000)
    with pytest.raises(WorkError, match="built again"):
        await Executor(WorkSettings(path)).run(work, Seen())
