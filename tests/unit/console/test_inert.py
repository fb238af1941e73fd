"""Hostile text is shown and does nothing: no markup, no escape codes, no tricks with direction or width."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins
from msgspec.structs import replace

from tests.unit.console.feeder import peer_of, rescue_story
from tests.unit.console.harness import Bench
from whisper_tui.model.inert import inert, inert_json
from whisper_tui.model.views.base import cells, fit, fit_line, wrap

HOSTILE = "[red]x[/] [@click=app.quit]y[/] \x1b[2J\x1b]0;pwned\x07 a\u202eb\u200b \r\n\t\x00 \x9b31m \u2066z"


@given(st.text())
def test_what_is_inert_has_no_character_that_acts(text: str) -> None:
    for char in inert(text):
        assert unicodedata.category(char)[0] != "C"
        assert unicodedata.category(char) not in ("Zl", "Zp")


def test_plain_text_is_left_alone() -> None:
    assert inert("Grüße, 世界 · naïve [not markup]") == "Grüße, 世界 · naïve [not markup]"
    assert inert("e\u0301" + "\u0301" * 40).count("\u0301") == 2


UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180f\u2800\u3164\ufe00\ufe0f\uffa0\U000e0100"


@given(st.text(st.sampled_from("a1 é" + UNSEEN)))
def test_what_is_inert_has_no_character_that_nobody_sees(text: str) -> None:
    assert not set(inert(text)).intersection(UNSEEN)
    assert inert("node1\u3164") != "node1"


def test_a_pictogram_is_shown_as_it_was_chosen_to_look() -> None:
    assert inert("❤\ufe0f ☎\ufe0e") == "❤\ufe0f ☎\ufe0e"


@given(st.text(), st.integers(0, 40))
def test_fitted_text_has_exactly_its_width(text: str, width: int) -> None:
    assert cells(fit(inert(text), width)) == width


@given(st.text(max_size=80), st.integers(2, 30))
def test_wrapped_lines_are_not_wider_than_they_may(text: str, width: int) -> None:
    clean = inert(text)
    lines = wrap(clean, width)
    assert all(cells(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == clean.replace(" ", "")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_hostile_names_texts_and_reasons_are_shown_inert_everywhere(size: tuple[int, int]) -> None:
    mesh = rescue_story()
    member = to_builtins(
        replace(mesh.members["node1"], name=HOSTILE, models=[HOSTILE], capabilities=[HOSTILE])
    )
    mesh.tell("operator", "member", {**member, "peer": peer_of("stranger")})
    job = mesh.jobs["q1.1"]
    bids = [replace(bid, refused=HOSTILE) for bid in job.auction.bids]
    attempts = [replace(job.attempts[0], note=HOSTILE, outcome=HOSTILE)]
    hostile_job = replace(
        job,
        job=peer_of("hostile"),
        label=HOSTILE,
        text=HOSTILE,
        reason=HOSTILE,
        kind=HOSTILE,
        auction=replace(job.auction, bids=bids, opened_ms=job.auction.opened_ms + 9_000),
        attempts=attempts,
        submitted_ms=job.submitted_ms + 9_000,
    )
    mesh.tell("operator", "job", to_builtins(hostile_job))
    query = mesh.queries["q1"]
    assert query.answer is not None
    answer = replace(query.answer, text=HOSTILE, backend=HOSTILE, notes=[HOSTILE])
    hostile_query = replace(
        query, label=HOSTILE, text=HOSTILE, answer=answer, submitted_ms=query.submitted_ms + 9_000
    )
    mesh.tell("operator", "query", to_builtins(hostile_query))
    mesh.tell("operator", "problem", {"text": HOSTILE})
    mesh.tell("operator", HOSTILE, {HOSTILE: HOSTILE})
    bench = Bench(mesh)
    async with bench.console.run_test(size=size) as pilot:
        for keys in (
            (),
            ("tab",),
            ("enter",),
            ("escape",),
            ("8",),
            ("1",),
            ("G", "enter"),
            ("escape", "X", "k"),
        ):
            await bench.press(pilot, *keys)
            shown = bench.text()
            assert not any(unicodedata.category(char)[0] == "C" for char in shown.replace("\n", ""))
        assert bench.console.is_running
        await bench.press(pilot, "escape", "8")
        assert "[red]x[/] [@click=app.quit]y[/]" in bench.text()


def test_a_line_is_cut_to_its_width_whatever_is_in_it() -> None:
    from whisper_tui.model.views.base import Span, line_cells

    line = (Span("世界" * 9), Span("e\u0301" * 9))
    for width in range(40):
        assert line_cells(fit_line(line, width)) == width


def test_json_for_a_terminal_says_the_same_and_cannot_act() -> None:
    said = {"name": "\x1b[2J\x9b31m\u202e\x7f\U000e0001é🏴 \n"}
    shown = inert_json(json.dumps(said, ensure_ascii=False, indent=2))
    assert json.loads(shown) == said
    assert not any(char in shown for char in "\x1b\x9b\u202e\x7f\U000e0001")
    assert "é🏴" in shown
