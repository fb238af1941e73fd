"""Operators: what a condition means of a value, also of one that is not there yet."""

import pytest

from whisper_tui.script.assertions import OPERATORS, judge
from whisper_tui.script.durations import seconds
from whisper_tui.script.schema import Condition
from whisper_tui.script.variables import UnknownVariable, fill


def holds(actual: object, operator: str, expected: object) -> bool:
    return judge(Condition("a.path", operator, expected), actual).passed


@pytest.mark.parametrize(
    ("actual", "operator", "expected"),
    [
        ("6/6", "eq", "6/6"),
        (3, "eq", 3),
        (3.0, "eq", 3),
        (True, "eq", True),
        (3, "eq", "3"),
        (True, "eq", "true"),
        (["node1", "node2"], "eq", ["node1", "node2"]),
        (["node1", "node2"], "eq", "node1, node2"),
        ("search", "ne", "llama.cpp"),
        (None, "ne", "search"),
        (2, "lt", 3),
        (3, "le", 3),
        (3.5, "gt", 3),
        (3, "ge", "3"),
        ("a dead node", "contains", "dead"),
        (["node1"], "contains", "node1"),
        ("node12", "matches", r"^node\d+$"),
    ],
)
def test_a_condition_that_holds(actual: object, operator: str, expected: object) -> None:
    assert holds(actual, operator, expected)


@pytest.mark.parametrize(
    ("actual", "operator", "expected"),
    [
        ("5/6", "eq", "6/6"),
        (1, "eq", True),
        (True, "eq", 1),
        (None, "eq", 0),
        (None, "eq", "not there yet"),
        (None, "ge", 0),
        (None, "lt", 5),
        ("many", "ge", 3),
        (True, "ge", 0),
        (None, "contains", "x"),
        (3, "contains", 3),
        (["node12"], "contains", "node1"),
        (None, "matches", ".*"),
    ],
)
def test_a_condition_that_does_not_hold(actual: object, operator: str, expected: object) -> None:
    assert not holds(actual, operator, expected)


def test_every_operator_has_a_case_above() -> None:
    assert set(OPERATORS) == {"eq", "ne", "lt", "le", "gt", "ge", "contains", "matches"}


def test_a_failed_check_says_what_was_there_instead() -> None:
    check = judge(Condition("query.q1.settled", "eq", "6/6"), "4/6")
    assert check.text == "query.q1.settled = 6/6, but it is 4/6"
    missing = judge(Condition("incident.last.reclaimed_ms", "lt", 1500), None)
    assert missing.text == "incident.last.reclaimed_ms < 1500, but it is not there yet"


def test_what_a_check_shows_of_the_mesh_is_inert() -> None:
    check = judge(Condition("query.q1.answer.text", "eq", "x"), "\x1b[2J")
    assert "\x1b" not in check.text


@pytest.mark.parametrize(("text", "expected"), [("3s", 3.0), ("500ms", 0.5), ("2m", 120.0), ("1.5 s", 1.5)])
def test_a_duration_has_a_unit(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "3", "s", "-3s", "3h", "1e3s", "infs"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        seconds(text)


def test_variables_are_filled_in_however_deep_they_lie() -> None:
    value = {"nodes": ["holder:${q}.1", "random"], "n": 3, "whole": "${q}${q}"}
    assert fill(value, {"q": "q7"}) == {"nodes": ["holder:q7.1", "random"], "n": 3, "whole": "q7q7"}


def test_a_variable_that_nobody_set_is_named() -> None:
    with pytest.raises(UnknownVariable) as caught:
        fill("${x}", {})
    assert caught.value.name == "x"


def test_what_a_variable_holds_is_never_filled_in_again() -> None:
    assert fill("${a}", {"a": "${b}", "b": "secret"}) == "${b}"
