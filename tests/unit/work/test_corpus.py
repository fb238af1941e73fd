"""Building an index once, and reading it."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whisper_tui
from mesh_core.work.corpus.__main__ import main
from mesh_core.work.corpus.build import build
from mesh_core.work.corpus.index import FORMAT, Index, opened, shard_range
from mesh_core.work.errors import CorpusError
from mesh_core.work.retrieval import best_passages
from tests.unit.work.corpora import TEXTS, built, corpus_of

BUILT_IN = Path(whisper_tui.__file__).parent / "shards"


def test_the_hash_depends_on_names_contents_and_shards_only(tmp_path: Path) -> None:
    first = built(tmp_path / "a")
    assert built(tmp_path / "b").hash == first.hash
    assert built(tmp_path / "c", shards=2).hash != first.hash
    assert built(tmp_path / "d", {**TEXTS, "bees.md": "Bees are gone now."}).hash != first.hash
    renamed = {name.replace("bees", "wasps"): text for name, text in TEXTS.items()}
    assert built(tmp_path / "e", renamed).hash != first.hash


def test_an_index_is_built_once(tmp_path: Path) -> None:
    first, again = built(tmp_path), built(tmp_path)
    assert (first.new, again.new) == (True, False)
    assert msgspec.structs.replace(first, new=False) == again
    assert [path.name for path in first.path.parent.iterdir()] == [f"{first.hash}.db"]


def test_an_index_is_built_again_when_the_old_one_is_damaged(tmp_path: Path) -> None:
    path = built(tmp_path).path
    path.write_bytes(path.read_bytes()[:5000])
    again = built(tmp_path)
    assert again.new
    with opened(path) as index:
        assert best_passages(index, "honey", 0, 1)


def test_builders_that_race_end_with_one_whole_index(tmp_path: Path) -> None:
    corpus_of(tmp_path / "texts", TEXTS)
    start, found = threading.Barrier(4), []

    def race() -> None:
        start.wait()
        found.append(build(tmp_path / "texts", 3, tmp_path / "index"))

    racers = [threading.Thread(target=race) for _ in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len({result.path for result in found}) == 1
    assert [path.name for path in (tmp_path / "index").iterdir()] == [found[0].path.name]


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(CorpusError, match=r"cannot be written.*No space left"):
        built(tmp_path)
    assert list((tmp_path / "index").iterdir()) == []


def test_an_empty_corpus_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"p")
    with pytest.raises(CorpusError, match=r"no readable \.txt, \.md or \.rst file"):
        build(tmp_path, 6, tmp_path / "index")


def test_an_empty_corpus_names_a_file_that_was_left_out(tmp_path: Path) -> None:
    (tmp_path / "html").symlink_to("/")
    with pytest.raises(CorpusError, match=r"html \(a symbolic link, not followed\)"):
        build(tmp_path, 6, tmp_path / "index")


@pytest.mark.parametrize("shards", [0, -1, 1_001])
def test_a_number_of_shards_that_makes_no_sense_is_refused(tmp_path: Path, shards: int) -> None:
    with pytest.raises(CorpusError, match="1 to 1000 shards"):
        built(tmp_path, shards=shards)


@given(st.integers(1, 5_000), st.integers(1, 1_000))
def test_shards_cover_all_passages_evenly_and_none_is_empty(passages: int, shards: int) -> None:
    ranges = [shard_range(passages, shards, shard) for shard in range(shards)]
    assert {at for found in ranges for at in found} == set(range(passages))
    sizes = [len(found) for found in ranges]
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1


def test_a_shard_holds_only_its_own_passages(tmp_path: Path) -> None:
    with opened(built(tmp_path).path) as index:
        assert [p.source for p in best_passages(index, "honey", 0, 3)] == ["bees.md"]
        assert best_passages(index, "honey", 1, 3) == []
        with pytest.raises(CorpusError, match="no shard 3"):
            best_passages(index, "honey", 3, 3)


def test_a_passage_stands_in_its_document_where_it_says(tmp_path: Path) -> None:
    with opened(built(tmp_path).path) as index:
        [passage] = best_passages(index, "why do stars shine", 2, 3)
    assert TEXTS[passage.source][passage.offset :].startswith(passage.text)


def test_words_are_found_in_other_forms(tmp_path: Path) -> None:
    with opened(built(tmp_path).path) as index:
        assert best_passages(index, "fusing", 2, 1)
        assert best_passages(index, "colonies", 0, 1)


@pytest.mark.parametrize(
    "question",
    ['" OR 1 --', "honey AND NOT honey", "NEAR(honey", "text: honey*", "honey\0", "^honey", "{}", "?", ""],
)
def test_a_question_is_never_taken_for_a_query_language(tmp_path: Path, question: str) -> None:
    with opened(built(tmp_path).path) as index:
        found = best_passages(index, question, 0, 3)
        assert bool(found) == ("honey" in question)
        assert all("honey" in passage.text for passage in found)


def test_passages_of_the_same_wording_come_once(tmp_path: Path) -> None:
    long = "honey " + " ".join(f"word{number}" for number in range(100))
    found = built(tmp_path, {"a.txt": long, "b.txt": long + "\n"}, shards=1)
    with opened(found.path) as index:
        assert found.passages == 2
        assert len(best_passages(index, "honey", 0, 3)) == 1


def test_only_verbatim_spans_of_the_right_shard_and_source_are_contained(tmp_path: Path) -> None:
    with opened(built(tmp_path).path) as index:
        text = "turn it into honey"
        assert index.contains(0, "bees.md", text)
        assert not index.contains(0, "bees.md", "turn it into  honey")
        assert not index.contains(0, "bees.md", "")
        assert not index.contains(1, "bees.md", text)
        assert not index.contains(0, "stars.rst", text)
        assert not index.contains(99, "bees.md", text)


def test_an_index_that_is_missing_damaged_or_of_another_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such index"):
        Index(tmp_path / "none.db")
    (tmp_path / "noise.db").write_bytes(b"noise" * 5000)
    with pytest.raises(CorpusError, match="built again"):
        Index(tmp_path / "noise.db")
    path = built(tmp_path).path
    with sqlite3.connect(path) as database:
        database.execute("UPDATE meta SET value = ? WHERE name = 'format'", (FORMAT + 1,))
    with pytest.raises(CorpusError, match="format"):
        Index(path)
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM meta WHERE name = 'format'")
    with pytest.raises(CorpusError, match="is missing"):
        Index(path)


def test_an_index_is_never_written_to(tmp_path: Path) -> None:
    path = built(tmp_path).path
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        with opened(path) as index:
            assert best_passages(index, "honey", 0, 1)
        assert len(list(path.parent.iterdir())) == 1
    finally:
        path.parent.chmod(0o700)


def test_an_index_may_lie_under_a_name_that_urls_do_not_allow(tmp_path: Path) -> None:
    folder = tmp_path / "50% of? #all"
    with opened(built(folder).path) as index:
        assert index.files == 3


def test_the_command_prints_one_line_of_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus_of(tmp_path / "texts", {**TEXTS, "blank.txt": "", "void.txt": " ", "zeros.txt": "\0"})
    out = str(tmp_path / "index")
    assert main(["build", "--source", str(tmp_path / "texts"), "--shards", "2", "--out", out]) == 0
    report = json.loads(capsys.readouterr().out)
    assert Path(report["path"]) == tmp_path / "index" / f"{report['hash']}.db"
    assert (report["shards"], report["files"], report["passages"]) == (2, 3, 3)
    assert report["skipped"] == [
        {"reason": "empty", "count": 2, "example": "blank.txt"},
        {"reason": "binary", "count": 1, "example": "zeros.txt"},
    ]


def test_the_command_says_in_one_line_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "index")
    assert main(["build", "--source", str(tmp_path / "none"), "--shards", "2", "--out", out]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("corpus: ")
    assert said.err.count("\n") == 1


def test_the_built_in_corpus_is_six_texts_one_for_each_of_six_shards(tmp_path: Path) -> None:
    texts = sorted(BUILT_IN.glob("*"))
    assert [text.suffix for text in texts] == [".md"] * 6
    assert all(600 <= len(text.read_text().split()) <= 1_000 for text in texts)
    index = build(BUILT_IN, 6, tmp_path)
    with opened(index.path) as opened_index:
        for shard in range(6):
            assert best_passages(opened_index, "neural network training model learning", shard, 1)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE meta SET value = 'many' WHERE name = 'shards'",
        "UPDATE meta SET value = 0 WHERE name = 'passages'",
        "UPDATE meta SET value = 1000000000 WHERE name = 'shards'",
        "UPDATE sqlite_master SET sql = CAST(x'435245415445ff' AS TEXT) WHERE name = 'passage'",
    ],
)
def test_an_index_whose_numbers_or_tables_are_damaged_is_one_line(tmp_path: Path, change: str) -> None:
    path = built(tmp_path).path
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(change)
    with pytest.raises(CorpusError, match="delete it and it is built again"):
        Index(path)
