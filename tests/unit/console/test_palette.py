"""The command palette: everything by its name, and what is meant by a few letters of it."""

from __future__ import annotations

import pytest

from tests.unit.console.feeder import peer_of, rescue_story
from tests.unit.console.harness import Bench
from whisper_tui.keymap import KEYS
from whisper_tui.model.palette import Command, Offer, commands, ranked, score
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import State, initial_state


def state(until: str = "running") -> State:
    known = initial_state(primary=peer_of("operator"))
    for event in rescue_story(until=until).events:
        known = reduce(known, event)
    return known


def named(*names: str) -> list[Command]:
    return [Command(name, "", "key", (name,)) for name in names]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("vj", "view jobs"),
        ("jobs", "view jobs"),
        ("fre", "freeze"),
        ("thm", "theme mono"),
        ("RO", "read only"),
        ("vi lo", "view log"),
        ("view log", "view log"),
    ],
)
def test_a_few_letters_mean_the_command_whose_words_begin_with_them(typed: str, first: str) -> None:
    known = named(
        "view overview",
        "view jobs",
        "view log",
        "freeze",
        "read only",
        "theme mono",
        "theme default",
        "filter",
    )
    assert ranked(known, typed)[0].name == first


def test_letters_that_are_not_there_in_this_order_mean_nothing() -> None:
    assert ranked(named("freeze", "filter"), "zx") == [] and score("ezf", "freeze") == -1
    assert [command.name for command in ranked(named("b", "a"), "")] == ["b", "a"], "in their own order"


def test_a_verb_offers_what_it_can_be_about() -> None:
    known = state()
    assert commands(known, Offer(), "kill node4")[0].words == ("kill", peer_of("node4"))
    assert commands(known, Offer(), "kill node4 ")[0].words == ("kill", peer_of("node4")), (
        "nobody else is added"
    )
    both = commands(known, Offer(), "kill node4 node2")[0]
    assert both.words == ("kill", peer_of("node4"), peer_of("node2")) and both.name == "kill node4 node2"
    assert peer_of("node4") not in {c.words[-1] for c in commands(known, Offer(), "kill node4 no")}
    assert commands(known, Offer(), "kill nobody node4") == []
    assert commands(known, Offer(), "go q1.2")[0].words[0] == "job"
    assert commands(known, Offer(), "go q1")[0].words[0] == "question"
    assert commands(known, Offer(), "go node3")[0].words == ("node", peer_of("node3"))
    assert [c.name for c in commands(known, Offer(), "cancel q1.3")] == ["cancel q1.3"]
    assert commands(state("end"), Offer(), "cancel q1.3") == [], "it is settled"
    (ask,) = commands(known, Offer(), "submit why is it so")
    assert (ask.kind, ask.words) == ("submit", ("why is it so",))


async def test_every_key_of_the_main_screen_and_every_deed_has_a_name_there() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, ":")
        offered = {command.name for command in bench.console.screen._found}  # type: ignore[attr-defined]
    here = [
        key
        for key in KEYS
        if key.context in ("views", "everywhere", "chaos", "tables") and key.id != "palette"
    ]
    assert {key.id.replace("_", " ") for key in here} <= offered
    assert {"theme deuteranopia", "theme mono", "go", "cancel"} <= offered


@pytest.mark.parametrize("key", [":", "ctrl+p"])
async def test_a_command_is_found_by_a_few_letters_and_done_with_enter(key: str) -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, key, *"vilog", "enter")
        assert "[8 Log]" in bench.text()
        await bench.press(pilot, key, *"freeze", "enter")
        assert "FROZEN" in bench.text()
        await bench.press(pilot, key, *"xyz", "enter", "escape")
        assert "nothing is called so" not in bench.text() and "FROZEN" in bench.text()


async def test_the_palette_asks_like_the_keys_do_before_somebody_is_killed() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, ":", *"kill node4", "enter")
        assert "Kill node4?" in bench.text() and bench.deeds.done == []
        await bench.press(pilot, "enter", "y")
        assert bench.deeds.done == [("kill", "node4")]
        await bench.press(pilot, ":", *"kill node1 node2", "enter", *"2 nodes", "enter")
        assert bench.deeds.done[1:] == [("kill", "node1", "node2")]
        await bench.press(pilot, "W", ":", *"kill node5", "enter")
        assert "read-only" in bench.text() and len(bench.deeds.done) == 2


async def test_words_go_to_the_form_the_filter_and_the_page() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, ":", *"submit why so", "enter", "enter")
        assert bench.deeds.done == [("submit", "why so", None)]
        await bench.press(pilot, ":", *"filter node2", "enter")
        rows = [line for line in bench.lines() if "● alive" in line]
        assert len(rows) == 1 and "node2" in rows[0]
        await bench.press(pilot, ":", *"go q1.3", "enter")
        assert "q1.3" in bench.lines()[0] and "esc" in bench.lines()[-1]
        await bench.press(pilot, "escape", ":", *"go", "enter", *"node5", "enter")
        assert "node5" in bench.lines()[0]


async def test_a_theme_is_put_on_by_name_and_seen_at_once() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, ":", *"theme mono", "enter")
        strips = bench.console.screen._compositor.render_strips()
        styles = [segment.style for strip in strips for segment in strip if segment.style is not None]
        assert all(style.color is None or style.color.is_default for style in styles)
        await bench.press(pilot, ":", *"theme high", "enter")
        strips = bench.console.screen._compositor.render_strips()
        assert any(
            s.style and s.style.color and s.style.color.name == "#5dff9b" for strip in strips for s in strip
        )
