"""Backends against servers that behave, break off, refuse, or are not there."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from contextlib import aclosing

import pytest

from mesh_core.work.backends import http
from mesh_core.work.backends.base import Backend, Prompt
from mesh_core.work.backends.ollama import Ollama
from mesh_core.work.backends.openai import OpenAI
from mesh_core.work.backends.search import Search, compose
from mesh_core.work.errors import BackendError, PromptTooLongError
from tests.unit.work.servers import OK, ScriptedServer, chunk, scripted, stream

PROMPT = Prompt("What do bees make?", ("Bees make  honey\nfrom nectar.", "Honey keeps for years."), 2)
CHAT = "/v1/chat/completions"
MODELS = "/v1/models"


async def text_of(backend: Backend) -> str:
    async with aclosing(backend.generate(PROMPT, max_tokens=9)) as pieces:
        return "".join([piece async for piece in pieces])


def openai(server: ScriptedServer, **settings: str) -> OpenAI:
    return OpenAI("openai", f"{server.url}/v1/", **{"model": "small", **settings})


def refusing_url() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


# ------------------------------------------------------------------------------------------------ OpenAI


async def test_openai_streams_what_the_server_writes() -> None:
    answer = stream(
        ": comment", chunk(None), chunk("Bees "), chunk("make honey."), chunk(None, "stop"), "data: [DONE]"
    )
    async with scripted({CHAT: answer}) as server:
        assert await text_of(openai(server)) == "Bees make honey."
    [(_, _, body)] = server.requests
    assert (body["model"], body["max_tokens"], body["stream"]) == ("small", 9, True)
    assert "What do bees make?" in body["messages"][0]["content"]
    assert body["messages"][1]["content"] == "Bees make honey from nectar.\n\nHoney keeps for years."


async def test_openai_takes_a_finish_reason_for_an_end() -> None:
    async with scripted({CHAT: stream(chunk("Honey."), chunk(None, "length"))}) as server:
        assert await text_of(openai(server)) == "Honey."


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (stream(chunk("Hon")), "ended before the answer was complete"),
        (stream(chunk("Hon"), {"error": {"message": "out of memory"}}), "reports: .*out of memory"),
        (stream("data: {broken"), "not what was expected"),
        pytest.param(stream('data: {"error": ' + "[" * 5_000), "not what was expected", id="bottomless"),
        pytest.param(
            stream('data: {"choices": [{"delta": {"content": "\udcff"}}]}'),
            "not what was expected",
            id="no text",
        ),
        (stream({"choices": "none"}), "not what was expected"),
        (OK, "ended before the answer was complete"),
        ("HTTP/1.1 503 Busy\r\nContent-Length: 7\r\n\r\nloading", "answers 503: loading"),
        ("HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n", "answers 302"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\ndata: ", "without sending complete message body"),
        ("nonsense\r\n\r\n", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
async def test_openai_that_fails_says_why(answer: str, reason: str) -> None:
    async with scripted({CHAT: answer}) as server:
        with pytest.raises(BackendError, match=reason) as caught:
            await text_of(openai(server))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        "request (1318 tokens) exceeds the available context size (1024 tokens), try increasing it",
        "context_length_exceeded",
    ],
)
async def test_openai_tells_a_prompt_that_is_too_long_from_other_failures(error: str) -> None:
    answer = f"HTTP/1.1 400 Bad\r\nContent-Length: {len(error)}\r\n\r\n{error}"
    async with scripted({CHAT: answer}) as server:
        with pytest.raises(PromptTooLongError):
            await text_of(openai(server))


async def test_openai_refuses_a_line_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_LINE_BYTES_MAX", 1000)
    async with scripted({CHAT: OK + "data: " + "x" * 100_000}) as server:
        with pytest.raises(BackendError, match="line without end"):
            await text_of(openai(server))


async def test_openai_gives_up_on_a_server_that_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ_S", 0.05)
    async with scripted({CHAT: stream(chunk("Hon")) + ScriptedServer.HANG}) as server:
        with pytest.raises(BackendError, match="in time"):
            await text_of(openai(server))


async def test_openai_says_that_nobody_answers() -> None:
    backend = OpenAI("openai", refusing_url() + "/v1", "small")
    assert "nobody answers at http://127.0.0.1" in str(await backend.probe())
    with pytest.raises(BackendError, match="nobody answers"):
        await text_of(backend)


@pytest.mark.parametrize(
    "url", ["", "localhost", "http://", "ftp://127.0.0.1/", "http://[::1", "file:///etc/passwd"]
)
async def test_an_address_that_is_none_is_a_problem_and_no_crash(url: str) -> None:
    assert await OpenAI("openai", url, "small").probe()
    assert await Ollama(url, "small").probe()


async def test_closing_an_answer_half_read_hangs_up() -> None:
    async with scripted({CHAT: stream(chunk("Bees ")) + ScriptedServer.HANG}) as server:
        pieces = openai(server).generate(PROMPT, max_tokens=9)
        assert await anext(pieces) == "Bees "
        await pieces.aclose()
        await asyncio.wait_for(server.hung_up.wait(), 5)


async def test_openai_sends_the_key_and_never_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-secret")
    async with scripted({CHAT: "HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno"}) as server:
        with pytest.raises(BackendError) as caught:
            await text_of(openai(server, key_env="SOME_KEY"))
    assert server.requests[0][1]["authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in str(caught.value)


async def test_openai_without_its_key_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    async with scripted({}) as server:
        assert "SOME_KEY" in str(await openai(server, key_env="SOME_KEY").probe())
    assert server.requests == []


async def test_openai_without_a_model_named_takes_the_first_listed() -> None:
    models = OK + json.dumps({"object": "list", "data": [{"id": "big"}, {"id": "other"}]})
    async with scripted({MODELS: models, CHAT: stream(chunk("Honey."), "data: [DONE]")}) as server:
        backend = openai(server, model="")
        assert await text_of(backend) == "Honey."
        assert backend.name == "openai big"


@pytest.mark.parametrize(
    ("models", "problem"),
    [
        (OK + '{"data": []}', "lists no model"),
        (OK + "<html>", "not what was expected"),
        (OK + "[]", "not what"),
    ],
)
async def test_openai_without_a_model_is_not_available(models: str, problem: str) -> None:
    async with scripted({MODELS: models}) as server:
        assert problem in str(await openai(server, model="").probe())


async def test_a_list_of_models_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_ANSWER_BYTES_MAX", 1000)
    async with scripted({MODELS: OK + " " * 5000}) as server:
        assert "sends more than" in str(await openai(server).probe())


# ------------------------------------------------------------------------------------------------ Ollama


def tags(*names: str) -> str:
    return OK + json.dumps({"models": [{"name": name, "size": 1} for name in names]})


def said(text: str, done: bool = False) -> str:
    return json.dumps({"model": "m", "message": {"role": "assistant", "content": text}, "done": done}) + "\n"


def ollama_streams(*lines: str) -> dict[str, str]:
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"
    return {"/api/tags": tags("llama3.2:latest"), "/api/chat": head + "".join(lines)}


async def test_ollama_streams_what_the_server_writes() -> None:
    async with scripted(ollama_streams(said("Bees "), said("make honey."), said("", done=True))) as server:
        backend = Ollama(server.url, "llama3.2")
        assert await text_of(backend) == "Bees make honey."
        assert backend.name == "ollama llama3.2:latest"
    body = server.requests[-1][2]
    assert (body["model"], body["options"]["num_predict"], body["stream"]) == ("llama3.2:latest", 9, True)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([said("Hon")], "ended before the answer was complete"),
        ([], "ended before the answer was complete"),
        ([said("Hon"), '{"error": "llama runner crashed"}\n'], "llama runner crashed"),
        ([said("Hon"), "<html>\n"], "JSONDecodeError"),
        (["[1]\n"], "AttributeError"),
    ],
)
async def test_ollama_that_breaks_off_is_an_error(lines: list[str], reason: str) -> None:
    async with scripted(ollama_streams(*lines)) as server:
        with pytest.raises(BackendError, match=reason):
            await text_of(Ollama(server.url, "llama3.2"))


async def test_ollama_hangs_up_when_an_answer_is_closed_half_read() -> None:
    async with scripted(ollama_streams(said("Bees "), ScriptedServer.HANG)) as server:
        pieces = Ollama(server.url, "llama3.2").generate(PROMPT, max_tokens=9)
        assert await anext(pieces) == "Bees "
        await pieces.aclose()
        await asyncio.wait_for(server.hung_up.wait(), 5)


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [
        (("mistral:7b", "llama3.2:latest"), "ollama llama3.2:latest"),
        (("llama3.2",), "ollama llama3.2"),
        (("mistral:7b", "phi:latest"), "ollama mistral:7b"),
    ],
)
async def test_ollama_takes_the_wanted_model_else_the_first(installed: tuple[str, ...], chosen: str) -> None:
    async with scripted({"/api/tags": tags(*installed)}) as server:
        backend = Ollama(server.url, "llama3.2")
        assert await backend.probe() is None
        assert backend.name == chosen


async def test_ollama_without_models_or_server_is_not_available() -> None:
    async with scripted({"/api/tags": tags()}) as server:
        assert "no model is installed" in str(await Ollama(server.url, "llama3.2").probe())
        server.answers["/api/tags"] = OK + "{}"
        assert "not what was expected" in str(await Ollama(server.url, "llama3.2").probe())
    assert "nobody answers" in str(await Ollama(refusing_url().removeprefix("http://"), "llama3.2").probe())


def test_neither_httpx_nor_ollama_is_loaded_before_ollama_answers() -> None:
    script = (
        "import asyncio, sys; from mesh_core.work.executor import Executor, WorkSettings\n"
        "asyncio.run(Executor(WorkSettings(ollama_url='http://127.0.0.1:1')).prepare())\n"
        "sys.exit(bool({'httpx', 'ollama', 'xllamacpp', 'web3'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=30).returncode == 0


# ------------------------------------------------------------------------------------------------ search


async def test_search_answers_with_whole_sentences_that_share_most_words_with_the_question() -> None:
    excerpts = (
        "# Bees\n\nFlowers are of many colours. Bees make honey from nectar.",
        "Rivers run to the sea. What bees make from nectar is honey.",
    )
    answer = compose(Prompt("What do bees make from nectar?", excerpts, 2))
    assert answer == "Bees make honey from nectar. What bees make from nectar is honey."


async def test_search_repeats_no_sentence_and_answers_from_text_without_any() -> None:
    assert (
        compose(Prompt("honey", ("Bees make sweet honey.", "Bees make sweet honey."), 2))
        == "Bees make sweet honey."
    )
    assert compose(Prompt("honey", ("| honey | 3 |",), 2)) == "| honey | 3 |"


async def test_search_stops_at_the_number_of_tokens() -> None:
    async with aclosing(Search().generate(PROMPT, max_tokens=2)) as pieces:
        assert [piece async for piece in pieces] == ["Bees ", "make "]
