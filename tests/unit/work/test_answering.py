"""Answers of one shard and of all: what is cited, what is dropped, and what is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mesh_core.wire.messages import Work
from mesh_core.work.answer import draws_on, within_budget
from mesh_core.work.backends.chain import Chain
from mesh_core.work.corpus.index import Passage
from mesh_core.work.errors import WorkError
from mesh_core.work.options import COMBINED_PASSAGES_MAX, EXCERPT_CHARS_TOTAL
from mesh_core.work.registry import workload
from mesh_core.work.result import Answer, CitedPassage, decode_answer, encode_answer, make_answer
from mesh_core.work.sentences import finished
from mesh_core.work.tools import Tools
from tests.unit.work.corpora import TEXTS, built
from tests.unit.work.writers import Writer, ignore

HONEY = "Workers gather nectar and fan it with their wings until the water is gone."


class Desk:
    """Runs workloads over a small corpus."""

    def __init__(self, folder: Path, *writers: Writer) -> None:
        self.index = built(folder)
        self.tools = Tools(self.index.path, Chain(writers, 5), ignore)

    async def answer(self, question: str, shard: int | None = 0) -> Answer:
        work = Work("answer", question, self.index.hash, shard)
        return decode_answer(await workload("answer")(work, self.tools))

    async def combine(self, inputs: Sequence[tuple[str, bytes]]) -> Answer:
        work = Work("combine", "How is honey made?", self.index.hash, None, tuple(inputs))
        return decode_answer(await workload("combine")(work, self.tools))


def part(
    text: str, *passages: CitedPassage, backend: str = "fake writer", notes: Sequence[str] = ()
) -> bytes:
    return encode_answer(make_answer(text, backend, list(passages), list(notes)))


def cited(shard: int, source: str, text: str) -> CitedPassage:
    return CitedPassage(shard, source, text)


BEES = cited(0, "bees.md", "A bee colony has one queen")
STARS = cited(2, "stars.rst", "A star shines because hydrogen fuses into helium in its core.")
FORGED = cited(0, "bees.md", "A bee colony has two queens")

# ------------------------------------------------------------------------------------------------ answer


async def test_an_answer_cites_the_passage_it_was_drawn_from(tmp_path: Path) -> None:
    writer = Writer(HONEY)
    answer = await Desk(tmp_path, writer).answer("How is honey made?")
    assert (answer.text, answer.backend, answer.notes) == (HONEY, "fake writer", ())
    [passage] = answer.passages
    assert (passage.shard, passage.source) == (0, "bees.md")
    assert passage.text in TEXTS["bees.md"]
    assert writer.prompts[0].excerpts == (passage.text,)


async def test_an_answer_that_does_not_come_from_the_passage_cites_nothing_and_says_so(
    tmp_path: Path,
) -> None:
    invented = Writer("Honey is mined in deep caves by a guild of dwarves under royal licence.")
    answer = await Desk(tmp_path, invented).answer("How is honey made?")
    assert answer.passages == ()
    assert answer.notes == ("no passage given supports this answer, so none is cited",)


async def test_a_shard_without_a_match_says_so_and_asks_no_model(tmp_path: Path) -> None:
    writer = Writer(HONEY)
    answer = await Desk(tmp_path, writer).answer("How is honey made?", shard=2)
    assert (answer.text, answer.passages) == ("No passage of this shard matches the question.", ())
    assert writer.prompts == []


async def test_an_answer_by_search_says_which_model_failed(tmp_path: Path) -> None:
    answer = await Desk(tmp_path, Writer("Ho", error="gone")).answer("How is honey made?")
    assert answer.backend == "search"
    assert answer.notes == ("fake writer failed: gone",)
    assert len(answer.passages) == 1


async def test_an_answer_ends_with_a_whole_sentence(tmp_path: Path) -> None:
    answer = await Desk(tmp_path, Writer(HONEY + " The wax that")).answer("How is honey made?")
    assert answer.text == HONEY


async def test_work_that_cannot_be_done_here_says_why(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with pytest.raises(WorkError, match="must name a shard"):
        await desk.answer("honey", shard=None)
    with pytest.raises(WorkError, match="no shard 9"):
        await desk.answer("honey", shard=9)
    with pytest.raises(WorkError, match="corpus abc, this provider has"):
        await workload("answer")(Work("answer", "honey", "abc", 0), desk.tools)
    with pytest.raises(WorkError, match="has no corpus"):
        await workload("answer")(Work("answer", "honey", "abc", 0), Tools(None, desk.tools.chain, ignore))
    with pytest.raises(WorkError, match="kind 'paint'"):
        workload("paint")


async def test_a_question_about_the_corpus_there_was_before_is_answered_from_it(tmp_path: Path) -> None:
    before = built(tmp_path)
    now = built(tmp_path, shards=2)
    tools = Tools(now.path, Chain([Writer(HONEY)], 5), ignore)
    asked = Work("answer", "How is honey made?", before.hash, 0)
    [passage] = decode_answer(await workload("answer")(asked, tools)).passages
    assert passage.source == "bees.md"
    before.path.unlink()
    with pytest.raises(WorkError, match=f"corpus {before.hash[:12]}, this provider has {now.hash[:12]}"):
        await workload("answer")(asked, tools)


async def test_a_corpus_that_is_named_like_a_path_is_not_looked_for(tmp_path: Path) -> None:
    here = built(tmp_path)
    elsewhere = here.path.parent.parent / "elsewhere.db"
    here.path.rename(elsewhere)
    now = built(tmp_path, shards=2)
    for corpus in ("../elsewhere", str(elsewhere.with_suffix("")), "\x00", "x" * 64):
        with pytest.raises(WorkError, match="this provider has"):
            tools = Tools(now.path, Chain([], 5), ignore)
            await workload("answer")(Work("answer", "honey", corpus, 0), tools)


def test_excerpts_fit_into_the_prompt_together() -> None:
    long, short = Passage(0, "a", 0, "word " * 200), Passage(0, "b", 0, "short")
    assert within_budget([short, long, short]) == [short, long, short]
    assert within_budget([long, long]) == [long]
    [cut] = within_budget([Passage(0, "a", 0, "x" * 5000), short])
    assert cut.text == "x" * EXCERPT_CHARS_TOTAL


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("Workers gather nectar from flowers.", True),
        ("Honey is honey.", False),
        ("Bees gather in spring.", False),
        (
            "Nectar and flowers and wings and eleven other invented things nobody wrote about: "
            + " ".join("abcdefghijkl"),
            False,
        ),
    ],
)
def test_few_or_only_the_questions_own_words_in_common_are_no_support(text: str, drawn: bool) -> None:
    assert draws_on(text, TEXTS["bees.md"], "How do bees make honey?") is drawn


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("The rover is charged by its wheels.", True),
        ("Yes, the rover is charged by its wheels.", True),
        ("Its wheels charge the rover.", False),
        ("The rover is slow. It was painted green.", False),
        ("Water boils.", True),
        ("It is.", False),
        ("Water.", False),
        ("Yes.", False),
    ],
)
def test_a_sentence_that_says_what_the_passage_says_is_support_though_the_question_has_its_words(
    text: str, drawn: bool
) -> None:
    passage = "The Kestrel rover is charged by its wheels. It is so that water boils at the end."
    assert (
        draws_on(text, passage, "Is the rover charged by its wheels, and is it so that water boils?") is drawn
    )


async def test_a_question_that_asks_whether_it_is_so_is_answered_with_the_passage(tmp_path: Path) -> None:
    texts = {"rover.md": "The Kestrel rover runs on solar power."}
    index = built(tmp_path, texts, shards=1)
    tools = Tools(index.path, Chain([], 5), ignore)
    question = "Does the Kestrel rover run on solar power, or runs it on wind?"
    found = decode_answer(await workload("answer")(Work("answer", question, index.hash, 0), tools))
    assert [passage.source for passage in found.passages] == ["rover.md"]
    combining = Work("combine", question, index.hash, None, (("q1.1", encode_answer(found)),))
    answer = decode_answer(await workload("combine")(combining, tools))
    assert answer.text == "The Kestrel rover runs on solar power."
    assert not answer.notes


def test_only_an_unfinished_sentence_that_is_not_the_first_is_cut() -> None:
    assert finished("One. Two! Thr") == "One. Two!"
    assert finished("One. Two.") == "One. Two."
    assert finished("Version 2.5 of") == "Version 2.5 of"
    assert finished("Only") == "Only"


# ----------------------------------------------------------------------------------------------- combine


async def test_a_combined_answer_keeps_the_passages_of_its_parts_once(tmp_path: Path) -> None:
    writer = Writer("Bees make honey.")
    parts = [
        ("q1.1", part("Bees.", BEES)),
        ("q1.2", part("Stars.", STARS)),
        ("q1.3", part("Bees again.", BEES)),
    ]
    answer = await Desk(tmp_path, writer).combine(parts)
    assert (answer.text, answer.backend, answer.notes) == ("Bees make honey.", "fake writer", ())
    assert answer.passages == (BEES, STARS)
    assert writer.prompts[0].excerpts == ("Bees.", "Stars.", "Bees again.")


async def test_a_passage_that_is_not_in_the_corpus_is_dropped_and_the_answer_says_so(tmp_path: Path) -> None:
    wrong_shard = cited(1, BEES.source, BEES.text)
    answer = await Desk(tmp_path, Writer("Honey.")).combine(
        [("q1.1", part("Bees.", FORGED, BEES, wrong_shard))]
    )
    assert answer.passages == (BEES,)
    assert answer.notes == ("q1.1: 2 cited passages are not in the corpus, dropped",)


async def test_a_part_without_a_verified_passage_does_not_reach_the_writer(tmp_path: Path) -> None:
    writer = Writer("Honey.")
    parts = [("q1.1", part("Lies.", FORGED)), ("q1.2", part("Stars.", STARS)), ("q1.3", part("Nothing."))]
    answer = await Desk(tmp_path, writer).combine(parts)
    assert writer.prompts[0].excerpts == ("Stars.",)
    assert answer.notes[1] == "q1.1, q1.3 left out: nothing in the corpus is cited"


async def test_a_part_that_cannot_be_read_is_dropped_and_the_answer_says_so(tmp_path: Path) -> None:
    answer = await Desk(tmp_path, Writer("Honey.")).combine(
        [("q1.1", b"noise"), ("q1.2", part("Bees.", BEES))]
    )
    assert answer.passages == (BEES,)
    assert answer.notes[0].startswith("q1.1 dropped: not a result")


async def test_without_a_single_readable_part_there_is_nothing_to_combine(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="none of the 2 partial answers"):
        await Desk(tmp_path).combine([("q1.1", b""), ("q1.2", b"noise")])


async def test_parts_that_found_nothing_combine_to_nothing_found(tmp_path: Path) -> None:
    writer = Writer("Honey.")
    answer = await Desk(tmp_path, writer).combine([("q1.1", part("Nothing.")), ("q1.2", part("Nothing."))])
    assert answer.text == "No shard holds a passage that answers the question."
    assert writer.prompts == []


async def test_a_combined_answer_tells_who_wrote_the_parts_and_what_happened_there(tmp_path: Path) -> None:
    parts = [
        ("q1.1", part("Bees.", BEES, backend="search", notes=["model failed"])),
        ("q1.2", part("Stars.", STARS)),
        ("q1.3", part("Stars.", STARS, backend="search", notes=["model failed"])),
    ]
    answer = await Desk(tmp_path, Writer("Honey.")).combine(parts)
    assert answer.notes == ("q1.1, q1.3: written by search", "q1.1, q1.3: model failed")


async def test_a_combined_answer_is_bounded_however_many_parts_there_are(tmp_path: Path) -> None:
    words = TEXTS["bees.md"].split("\n\n")[1].split(" ")
    many = [cited(0, "bees.md", " ".join(words[:length])) for length in range(1, 31)]
    writer = Writer("Honey.")
    desk = Desk(tmp_path, writer)
    answer = await desk.combine(
        [(f"q1.{number}", part("x" * 500, passage)) for number, passage in enumerate(many)]
    )
    assert answer.passages == tuple(many[:COMBINED_PASSAGES_MAX])
    assert answer.notes == (
        "the text is drawn from the first 12 of 30 parts with passages",
        "24 of 30 cited passages are kept",
    )
    assert [len(text) for text in writer.prompts[0].excerpts] == [2000 // 12] * 12


async def test_search_combines_the_sentences_that_fit_the_question_best(tmp_path: Path) -> None:
    parts = [
        ("q1.1", part("Queens are few. Honey is made of nectar.", BEES)),
        ("q1.2", part("Stars shine very far.", STARS)),
    ]
    answer = await Desk(tmp_path).combine(parts)
    assert answer.text == "Honey is made of nectar. Stars shine very far."
    assert answer.backend == "search"


async def test_a_passage_that_stands_word_for_word_in_two_shards_is_cited_once(tmp_path: Path) -> None:
    honey = "Bees make honey out of nectar, and nobody else does."
    texts = {"a.md": honey, "b.md": "# Rivers\n\nA river carries sediment to the sea.", "c.md": honey}
    index = built(tmp_path, texts, shards=3)
    tools = Tools(index.path, Chain([Writer("Honey.")], 5), ignore)
    copies = [cited(0, "a.md", honey), cited(2, "c.md", honey)]
    inputs = tuple((f"q1.{copy.shard}", part("Bees.", copy)) for copy in copies)
    work = Work("combine", "How is honey made?", index.hash, None, inputs)
    assert decode_answer(await workload("combine")(work, tools)).passages == (copies[0],)


async def test_that_a_part_cites_nothing_is_said_once(tmp_path: Path) -> None:
    unsupported = ["no passage given supports this answer, so none is cited", "model failed"]
    parts = [("q1.1", part("Bees.", BEES)), ("q1.2", part("Lies.", notes=unsupported))]
    answer = await Desk(tmp_path, Writer("Honey.")).combine(parts)
    assert answer.notes == ("q1.2 left out: nothing in the corpus is cited", "q1.2: model failed")
