"""The fuzzer's own parts: what it makes, and what it says where it cannot run."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from random import Random

import msgspec
import pytest

from tests.fuzz import __main__ as fuzz
from tests.fuzz.campaign import _judged
from tests.fuzz.mutate import by_bytes, by_structure
from tests.fuzz.targets import TARGETS


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["tests.fuzz", *words])
    return fuzz.main()


def test_without_atheris_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run(monkeypatch, "settings") == 2
    assert capsys.readouterr().err == fuzz.NO_ATHERIS + "\n"


def test_a_target_that_is_none_is_told_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "setings") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "settings" in said


def test_one_input_is_repeated_without_the_fuzzer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "input").write_bytes(b"not TOML")
    assert run(monkeypatch, "settings", "--input", str(tmp_path / "input")) == 0
    assert capsys.readouterr().out == "settings: 8 bytes, nothing wrong\n"
    assert run(monkeypatch, "settings", "--input", str(tmp_path / "nothing")) == 2


def test_a_crash_is_reported_with_what_repeats_it() -> None:
    printed = (
        "#2\tINITED cov: 10 ft: 20 corp: 1/1b exec/s: 0 rss: 50Mb\n"
        "#40\tNEW    cov: 12 ft: 30 corp: 2/9b lim: 9 exec/s: 20 rss: 50Mb L: 8/9\n"
        "AssertionError: not one line\nTest unit written to dir/crash-ab\n"
    )
    outcome = _judged(TARGETS["settings"], printed, 77)
    assert not outcome.passed
    assert "40 executions,    20/s, coverage 10 → 12, corpus 2, FOUND crash-ab" in outcome.text
    assert outcome.text.endswith("-m tests.fuzz settings --input dir/crash-ab")
    assert "AssertionError: not one line" in outcome.text
    assert not _judged(TARGETS["settings"], "ImportError: no", 1).passed


def test_a_process_that_had_to_be_ended_has_not_passed() -> None:
    printed = "#40\tpulse  cov: 12 ft: 30 corp: 2/9b lim: 9 exec/s: 20 rss: 50Mb\n"
    assert not _judged(TARGETS["settings"], printed, -9).passed
    assert _judged(TARGETS["settings"], printed, 0).passed


def test_the_same_random_numbers_give_the_same_bytes() -> None:
    for target in TARGETS.values():
        for number, seed in enumerate(target.seeds()[:5]):
            assert target.mutated(seed, Random(number)) == target.mutated(seed, Random(number))


def test_a_changed_tree_is_a_tree_and_signed_statements_change_inside() -> None:
    inner = msgspec.msgpack.encode(["said", 7, bytes(32)]) + bytes(64)
    data = msgspec.msgpack.encode([1, [inner, "x"]])
    within = 0
    for number in range(200):
        changed = msgspec.msgpack.decode(by_structure(data, Random(number)))
        for value in (
            changed[1]
            if isinstance(changed, list) and len(changed) > 1 and isinstance(changed[1], list)
            else ()
        ):
            within += (
                isinstance(value, bytes) and value != inner and value.endswith(bytes(64)) and len(value) > 70
            )
    assert within > 10


def test_bytes_that_are_no_tree_stay_as_they_are() -> None:
    assert by_structure(b"\xc1", Random(1)) == b"\xc1"


def test_words_of_a_grammar_are_put_in() -> None:
    assert any(b"WORD" in by_bytes((b"WORD",))(b"abc", Random(number)) for number in range(50))
