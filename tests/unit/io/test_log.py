"""The log keeps what happened, stays bounded, and never gets in the way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mesh_core.io import log as module
from mesh_core.io.log import Log


class Soon:
    """Runs what was asked for when told to."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def __call__(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def run(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_of_one_tick_are_one_write(tmp_path: Path) -> None:
    path, soon = tmp_path / "provider.log", Soon()
    log = Log(path, lambda: 5.0, soon)
    log.write("member_dead", {"peer": "ab"})
    log.write("problem", {"text": "line\nbreak"})
    assert len(soon.calls) == 1
    assert path.read_bytes() == b""
    soon.run()
    assert lines(path) == [
        {"at_ms": 5.0, "kind": "member_dead", "data": {"peer": "ab"}},
        {"at_ms": 5.0, "kind": "problem", "data": {"text": "line\nbreak"}},
    ]
    log.close()


def test_closing_writes_what_is_left_and_a_new_start_appends(tmp_path: Path) -> None:
    path = tmp_path / "provider.log"
    for number in range(2):
        log = Log(path, lambda: 0.0, Soon())
        log.write("start", {"number": number})
        log.close()
    assert [line["data"]["number"] for line in lines(path)] == [0, 1]
    assert path.stat().st_mode & 0o077 == 0


def test_a_full_log_becomes_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOG_BYTES_MAX", 1000)
    path = tmp_path / "provider.log"
    log = Log(path, lambda: 0.0, Soon())
    for number in range(100):
        log.write("moment", {"number": number})
        log.flush()
    log.close()
    old = path.with_name("provider.log.1")
    kept = [line["data"]["number"] for line in lines(old) + lines(path)]
    assert kept == list(range(100 - len(kept), 100))
    assert path.stat().st_size <= 1000
    assert old.stat().st_size <= 1000
    assert len(list(tmp_path.iterdir())) == 2


def test_a_disk_that_refuses_costs_lines_and_says_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "provider.log"
    log = Log(path, lambda: 0.0, Soon())

    def refuse(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "write", refuse)
        log.write("lost", {})
        log.write("lost", {})
        log.flush()
    log.write("kept", {})
    log.flush()
    log.close()
    assert [(line["kind"], line["data"].get("lines")) for line in lines(path)] == [
        ("kept", None),
        ("log_dropped", 2),
    ]


def test_a_flood_within_one_tick_is_bounded(tmp_path: Path) -> None:
    log = Log(tmp_path / "provider.log", lambda: 0.0, Soon())
    for _ in range(5000):
        log.write("flood", {})
    log.close()
    assert lines(tmp_path / "provider.log")[-1]["data"] == {"lines": 4000}
