"""One frame at a time: what the terminal has not answered for is waited for, and never piles up."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Queue

import pytest

from whisper_tui.terminal import link as module
from whisper_tui.terminal.link import ASK, Link
from whisper_tui.terminal.picture import Picture

SIZE = (20, 2)
WAIT_S = 5.0


class Sink:
    """Keeps what is written; a `hung_up` one takes nothing."""

    def __init__(self) -> None:
        self.writes: Queue[str] = Queue()
        self.hung_up = False

    def write(self, text: str) -> None:
        if self.hung_up:
            raise OSError(5, "Input/output error")
        self.writes.put(text)

    def flush(self) -> None:
        pass

    def taken(self) -> str:
        return self.writes.get(timeout=WAIT_S)


class Watch:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def link(sink: Sink, watch: Watch) -> Iterator[Link]:
    link = Link(sink, Picture(*SIZE), monotonic=watch)
    link.start()
    yield link
    link.close()


def frame(text: str) -> str:
    return f"\x1b[1;1H{text}"


def test_frames_that_come_while_one_is_under_way_become_one(link: Link, sink: Sink) -> None:
    link.feed(frame("1"), SIZE)
    first = sink.taken()
    assert "1" in first and first.endswith(ASK) and link.is_busy
    for number in range(2, 10):
        link.feed(frame(str(number)), SIZE)
    assert sink.writes.empty()
    link.answered()
    assert sink.taken() == frame("9") + ASK
    link.answered()
    assert not link.is_busy and sink.writes.empty()


def test_how_long_frames_take_is_remembered_for_a_while(link: Link, sink: Sink, watch: Watch) -> None:
    link.feed(frame("a"), SIZE)
    sink.taken()
    watch.now = 0.4
    assert link.frame_s == pytest.approx(0.4)
    link.answered()
    link.feed(frame("b"), SIZE)
    sink.taken()
    watch.now = 0.5
    link.answered()
    assert link.frame_s == pytest.approx(0.4)
    watch.now = 20.0
    assert link.frame_s == 0.0


def test_a_terminal_that_never_answers_is_neither_waited_for_nor_asked_again(
    monkeypatch: pytest.MonkeyPatch, sink: Sink
) -> None:
    monkeypatch.setattr(module, "SILENT_AFTER_S", 0.01)
    link = Link(sink, Picture(*SIZE))
    link.start()
    link.feed(frame("a"), SIZE)
    assert sink.taken().endswith(ASK)
    for text in "bcd":
        link.feed(frame(text), SIZE)
        sent = sink.taken()
        assert text in sent and ASK not in sent
    link.close()


def test_one_that_has_answered_is_waited_for_longer(
    link: Link, sink: Sink, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENT_AFTER_S", 0.0)
    link.answered()
    link.feed(frame("a"), SIZE)
    sink.taken()
    watch.now = 9.0
    link.feed(frame("b"), SIZE)
    assert sink.writes.empty()
    watch.now = 10.1
    link.feed(frame("c"), SIZE)
    sent = sink.taken()
    assert "c" in sent and sent.endswith(ASK)


def test_before_the_terminal_is_given_back_its_last_answer_is_waited_for(link: Link, sink: Sink) -> None:
    link.feed(frame("a"), SIZE)
    sink.taken()
    link.answered()
    link.settle()
    link.feed("\x1b[?1049l", SIZE)
    assert sink.taken() == "\x1b[?1049l"


def test_a_terminal_that_hung_up_is_left(sink: Sink) -> None:
    sink.hung_up = True
    link = Link(sink, Picture(*SIZE))
    link.start()
    link.feed(frame("a"), SIZE)
    link.close()
    assert sink.writes.empty()


def test_what_was_fed_before_the_end_is_still_sent(sink: Sink) -> None:
    link = Link(sink, Picture(*SIZE))
    link.feed(frame("last words"), SIZE)
    link.start()
    link.close()
    assert "last words" in sink.taken()


def test_a_repaint_sends_everything_again(link: Link, sink: Sink) -> None:
    link.feed(frame("hello"), SIZE)
    sink.taken()
    link.answered()
    link.repaint()
    assert "hello" in sink.taken()
