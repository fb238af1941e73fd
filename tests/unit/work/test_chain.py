"""Which backend answers, and what is said of those that did not."""

from __future__ import annotations

import asyncio

import pytest

from mesh_core.work.backends import chain as chains
from mesh_core.work.backends.base import Prompt
from mesh_core.work.backends.chain import Chain
from mesh_core.work.options import PROMPT_HALVINGS_MAX
from mesh_core.work.result import TEXT_CHARS_MAX
from tests.unit.work.writers import Writer, ignore

PROMPT = Prompt("What do bees make?", ("Bees make honey from nectar.",), 1)
FOUND = "Bees make honey from nectar."


async def test_the_preferred_backend_answers() -> None:
    chain = Chain([Writer("Hon", "ey. "), Writer("Wax.")], 5)
    assert await chain.prepare() == "fake writer"
    generated = await chain.generate(PROMPT, 9, ignore)
    assert (generated.text, generated.backend, generated.notes) == ("Honey.", "fake writer", ())


async def test_without_models_search_answers_and_says_so() -> None:
    chain = Chain([], 5)
    assert await chain.prepare() == "search (no model configured)"
    generated = await chain.generate(PROMPT, 9, ignore)
    assert (generated.text, generated.backend, generated.notes) == (FOUND, "search", ())


async def test_a_backend_that_is_not_there_is_named_with_its_reason() -> None:
    chain = Chain([Writer(problem="nobody answers")], 5)
    assert await chain.prepare() == "search (fake writer: nobody answers)"
    assert chain.name == "search"


async def test_a_backend_that_was_not_there_at_the_start_is_asked_for_the_first_answer() -> None:
    writer = Writer("Honey.", problem="loading its model")
    chain = Chain([writer], 5)
    assert await chain.prepare() == "search (fake writer: loading its model)"
    generated = await chain.generate(PROMPT, 9, ignore)
    assert (generated.text, generated.notes, chain.name) == ("Honey.", (), "fake writer")


@pytest.mark.parametrize(
    ("writer", "reason"),
    [
        (Writer("Ho", error="the stream ended"), "the stream ended"),
        (Writer("Ho", hangs=True), "not done within 0 s"),
        (Writer(" ", "\n"), "it wrote nothing"),
        (Writer(*["endless"] * TEXT_CHARS_MAX), f"it wrote more than {TEXT_CHARS_MAX} characters"),
    ],
)
async def test_a_backend_that_fails_is_closed_and_the_next_one_answers(writer: Writer, reason: str) -> None:
    chain = Chain([writer], 0.05)
    generated = await chain.generate(PROMPT, 9, ignore)
    assert (generated.text, generated.backend) == (FOUND, "search")
    assert generated.notes == (f"fake writer failed: {reason}",)
    assert writer.closed == 1
    assert chain.name == "search"


async def test_a_backend_that_failed_is_left_alone_for_a_moment_and_each_answer_says_why() -> None:
    writer = Writer(error="broken")
    chain = Chain([writer], 5)
    await chain.generate(PROMPT, 9, ignore)
    generated = await chain.generate(PROMPT, 9, ignore)
    assert len(writer.prompts) == 1
    assert generated.notes == ("fake writer failed: broken",)


async def test_a_backend_that_has_recovered_answers_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "RETRY_S", 0.0)
    writer = Writer("Honey.", error="broken")
    chain = Chain([writer], 5)
    await chain.generate(PROMPT, 9, ignore)
    writer.error = ""
    generated = await chain.generate(PROMPT, 9, ignore)
    assert (generated.text, generated.notes, chain.name) == ("Honey.", (), "fake writer")


async def test_pieces_are_passed_on_as_they_come() -> None:
    pieces: list[str] = []

    async def keep(piece: str) -> None:
        pieces.append(piece)

    await Chain([Writer("a", "b")], 5).generate(PROMPT, 9, keep)
    assert pieces == ["a", "b"]


async def test_cancelling_closes_the_backend_and_asks_no_other() -> None:
    writer = Writer("Ho", hangs=True)
    seen = asyncio.Event()

    async def see(_: str) -> None:
        seen.set()

    task = asyncio.create_task(Chain([writer], 5).generate(PROMPT, 9, see))
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert writer.closed == 1


async def test_a_backend_that_has_become_ready_is_found_when_asked_again() -> None:
    writer = Writer("Honey.", problem="loading its model")
    chain = Chain([writer], 5)
    await chain.prepare()
    writer.problem = None
    assert await chain.prepare() == "fake writer"
    assert chain.name == "fake writer"


async def test_a_prompt_that_does_not_fit_a_models_context_is_cut_until_it_does_and_the_answer_says_so() -> (
    None
):
    writer = Writer("Honey.", room=10)
    generated = await Chain([writer], 5).generate(PROMPT, 9, ignore)
    assert (generated.text, generated.backend) == ("Honey.", "fake writer")
    assert generated.notes == ("fake writer was given the beginnings of its texts only, to fit its context",)
    assert [len(prompt.excerpts[0]) for prompt in writer.prompts] == [28, 14, 7]


async def test_a_prompt_that_never_fits_is_left_to_the_next_backend() -> None:
    writer = Writer("Honey.", room=0)
    generated = await Chain([writer], 5).generate(PROMPT, 9, ignore)
    assert (generated.backend, len(writer.prompts)) == ("search", PROMPT_HALVINGS_MAX + 1)
