"""Only differences are sent, and they make the terminal show exactly what was drawn."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.console.feeder import rescue_story
from tests.unit.console.harness import Bench, CountingDriver
from tests.unit.console.terminal import Terminal
from whisper_tui.terminal.picture import Picture

WIDTH, HEIGHT = 12, 4

PENS = ("1;38;2;1;2;3;48;2;9;9;9", "38;2;1;2;3;48;2;9;9;9", "2;38;2;7;7;7", "48;2;5;5;5", "7;38;2;1;2;3", "4")


@st.composite
def frames(draw: st.DrawFn) -> str:
    """What Textual might write: pieces of lines at some places, each with a pen that it takes back."""
    pieces = []
    for _ in range(draw(st.integers(1, 6))):
        x, y = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
        text = draw(st.text("ab ●…", min_size=1, max_size=WIDTH - x))
        pen = draw(st.sampled_from(PENS))
        pieces.append(f"\x1b[{y + 1};{x + 1}H\x1b[{pen}m{text}\x1b[0m")
    return "".join(pieces)


@given(st.lists(st.tuples(frames(), st.booleans()), max_size=8))
@settings(max_examples=200, deadline=None)
def test_whatever_frames_are_skipped_the_terminal_shows_the_last_one(story: list[tuple[str, bool]]) -> None:
    blank = "".join(f"\x1b[{y + 1};1H{' ' * WIDTH}" for y in range(HEIGHT))
    picture, lean, lavish = Picture(WIDTH, HEIGHT), Terminal(WIDTH, HEIGHT), Terminal(WIDTH, HEIGHT)
    for frame, is_sent in [(blank, True), *story, ("", True)]:
        picture.feed(frame)
        lavish.write(frame)
        if is_sent:
            lean.write(picture.changes())
    assert lean.shown == lavish.shown


def drawn(text: str, pen: str = "38;2;1;2;3", at: str = "1;1") -> str:
    return f"\x1b[{at}H\x1b[{pen}m{text}\x1b[0m"


def test_what_is_shown_already_is_not_sent_again() -> None:
    picture = Picture(WIDTH, HEIGHT)
    picture.feed(drawn("tokens 411"))
    assert "tokens 411" in picture.changes()
    picture.feed(drawn("tokens 412"))
    assert picture.changes() == "\x1b[1;10H\x1b[38;2;1;2;3m2\x1b[0m"
    picture.feed(drawn("tokens 413") + drawn("tokens 412"))
    assert picture.changes() == ""


def test_wide_characters_take_two_cells_and_marks_none() -> None:
    picture, terminal = Picture(WIDTH, HEIGHT), Terminal(WIDTH, HEIGHT)
    picture.feed(drawn("日本e\u0301x"))
    assert [char for char, _ in picture.cells()[0][:6]] == ["日", "", "本", "", "e\u0301", "x"]
    picture.feed(drawn("ab本e\u0301y"))
    terminal.write(picture.changes().replace("\u0301", ""))
    assert terminal.lines()[0].startswith("ab本ey")


def test_sequences_that_draw_nothing_keep_their_place_between_frames() -> None:
    picture = Picture(WIDTH, HEIGHT)
    picture.feed("\x1b[?1049h" + drawn("a") + "\x1b]52;c;aGk=\x07" + drawn("b", at="1;2") + "\x1b[?1049l")
    sent = picture.changes()
    places = [sent.index(piece) for piece in ("\x1b[?1049h", "a", "\x1b]52;c;aGk=\x07", "mb", "\x1b[?1049l")]
    assert places == sorted(places)


def test_frames_are_marked_for_terminals_that_show_them_at_once() -> None:
    picture = Picture(WIDTH, HEIGHT)
    picture.feed("\x1b[?2026h" + drawn("a") + "\x1b[?2026l")
    sent = picture.changes()
    assert sent.startswith("\x1b[?2026h") and sent.endswith("\x1b[?2026l") and sent.count("2026") == 2


def test_after_a_change_of_size_everything_is_sent_and_nothing_beyond_its_edges() -> None:
    picture = Picture(WIDTH, HEIGHT)
    picture.feed(drawn("hello"))
    picture.changes()
    picture.resize(4, 2)
    picture.feed(drawn("hello") + drawn("below", at="3;1"))
    terminal = Terminal(4, 2)
    terminal.write(picture.changes())
    assert terminal.lines()[0] == "hell"


def test_everything_is_sent_again_on_request() -> None:
    picture = Picture(WIDTH, HEIGHT)
    picture.feed(drawn("hello"))
    first = picture.changes()
    assert picture.changes() == ""
    picture.forget()
    assert "hello" in picture.changes() and "hello" in first


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_console_is_on_the_terminal_as_it_was_drawn(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setattr("textual.app.App.get_driver_class", lambda _: CountingDriver)
    bench, terminal = Bench(rescue_story(until="running")), Terminal(*size)
    async with bench.console.run_test(size=size, headless=False) as pilot:
        for keys in (("tab",), ("j", "enter"), ("escape",), ("X", "k"), ("escape",), ("8",), ("1",)):
            await bench.press(pilot, *keys)
            bench.mesh.stream("q1.1", 400)
            await bench.settle(pilot)
            CountingDriver.sent()
            terminal.write(CountingDriver.written[-1])
            assert [line.rstrip() for line in terminal.lines()] == bench.lines(), keys
