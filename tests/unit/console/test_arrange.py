"""Filters, sorts and held orders, over rows that only say what their cells say."""

from __future__ import annotations

import time

import pytest

from whisper_tui.model.glyphs import UNICODE
from whisper_tui.model.views import arrange
from whisper_tui.model.views.arrange import Arrangement, told
from whisper_tui.model.views.base import Column, Span, Table
from whisper_tui.model.views.filters import number_of, row_matcher

COLUMNS = (Column("NODE", 8), Column("STATE", 10), Column("LAG", 4, "right"), Column("AGE", 5, "right"))
ROWS = {
    "a": ("node10", "● alive", "0", "0.2s"),
    "b": ("node2", "✖ dead", "12", "3m"),
    "c": ("node1", "◐ suspect", "2", "12s"),
    "d": ("operator", "◆ you", "–", "–"),
}


def table(*keys: str) -> Table:
    return Table(COLUMNS, keys or tuple(ROWS), lambda key: tuple((Span(cell),) for cell in ROWS[key]))


def shown(pattern: str) -> str:
    matches = row_matcher(pattern)
    return "".join(key for key in ROWS if matches(told(table(), key)))


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", "abcd"),
        ("dead", "b"),
        ("!dead", "acd"),
        ("node !dead", "ac"),
        ("state=dead", "b"),
        ("state!=dead", "acd"),
        ("!state=dead", "acd"),
        ("state=dead|suspect", "bc"),
        ("st=YOU", "d"),
        ("lag>1", "bc"),
        ("lag>=12", "b"),
        ("lag<2", "a"),
        ("age<=12s", "ac"),
        ("age>1m", "b"),
        ("^node1", "ac"),
        ("colour=red", ""),
        ("(", ""),
        ("lag>much", ""),
    ],
)
def test_a_filter_finds_the_rows_it_describes(pattern: str, found: str) -> None:
    assert shown(pattern) == found


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3),
        ("0.2s", 0.2),
        ("250ms", 0.25),
        ("3m", 180),
        ("2h", 7200),
        ("-1.5", -1.5),
        ("4 tok", 4),
        ("–", None),
    ],
)
def test_cells_that_begin_with_a_number_have_it_in_seconds(text: str, number: float | None) -> None:
    assert number_of(text) == (None if number is None else pytest.approx(number))


def test_names_are_sorted_as_people_count_and_numbers_by_size() -> None:
    order = Arrangement()
    order.sort("NODE")
    assert order.keys(table()) == ("c", "b", "a", "d")
    order.sort("LAG")
    assert order.keys(table()) == ("a", "c", "b", "d")
    order.sort("AGE")
    assert order.keys(table()) == ("a", "c", "b", "d")


def test_rows_that_say_nothing_come_last_whichever_way_round() -> None:
    order = Arrangement()
    order.sort("LAG")
    order.turn()
    assert order.keys(table()) == ("b", "c", "a", "d")


def test_sorting_goes_from_column_to_column_and_back_to_the_views_own_order() -> None:
    order = Arrangement()
    seen = []
    for _ in range(5):
        order.sort_on(COLUMNS)
        seen.append(order.sorted_by)
    assert seen == ["NODE", "STATE", "LAG", "AGE", ""]
    assert order.keys(table()) == tuple(ROWS)


def test_headings_go_when_rows_are_sorted() -> None:
    order = Arrangement()
    order.sort("NODE")
    assert order.keys(table()._replace(heads=lambda key: key == "c")) == ("b", "a", "d")


def test_a_held_order_keeps_rows_where_they_are_and_puts_new_ones_last() -> None:
    order = Arrangement()
    order.keys(table("a", "b", "c"))
    order.hold()
    assert order.keys(table("c", "d", "b", "a")) == ("a", "b", "c", "d")
    assert order.keys(table("d", "c", "b")) == ("b", "c", "d")
    order.hold()
    assert order.keys(table("c", "b")) == ("c", "b")


def test_a_held_sort_stays_as_it_was_when_it_was_held() -> None:
    order = Arrangement()
    order.sort("LAG")
    order.keys(table("a", "b", "c"))
    order.hold()
    assert order.keys(table("b", "c", "a", "d")) == ("a", "c", "b", "d")


def test_what_is_done_to_rows_is_said() -> None:
    order = Arrangement()
    assert order.note(UNICODE, 4) == ""
    order.filter("dead")
    order.sort("LAG")
    order.hold()
    assert order.note(UNICODE, len(order.keys(table()))) == "/dead 1 of 4 · by LAG ↑ · order held"


def test_many_rows_are_not_sorted_at_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    made: list[str] = []
    keys = tuple(str(number) for number in range(1000))

    def row(key: str) -> tuple[tuple[Span, ...], ...]:
        nonlocal now
        now += 0.001
        made.append(key)
        return ((Span(key),),)

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    many = Table((Column("N", 4),), keys, row)
    order = Arrangement()
    order.sort("N")
    assert order.keys(many) == keys and len(made) == 1000
    assert (
        order.keys(many._replace(keys=(*keys[:500], "new", *keys[500:])))[-1] == "new" and len(made) == 1000
    )
    now += arrange.PAUSE * 1.1
    assert order.keys(many) == keys and len(made) == 2000
