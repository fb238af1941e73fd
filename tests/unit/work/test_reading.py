"""Which files become documents, and which are left out with a reason."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from mesh_core.work.corpus import reading
from mesh_core.work.corpus.reading import Source
from mesh_core.work.errors import CorpusError
from tests.unit.work.corpora import corpus_of


def names(source: Source) -> list[str]:
    return [document.name for document in source.documents()]


def test_documents_come_ordered_by_name_from_all_folders(tmp_path: Path) -> None:
    corpus_of(tmp_path, {"b.txt": "b", "a/z.md": "z", "c.rst": "c", "picture.png": "p", "Makefile": "m"})
    assert names(Source(tmp_path)) == ["a/z.md", "b.txt", "c.rst"]


def test_gzipped_documents_are_unpacked(tmp_path: Path) -> None:
    (tmp_path / "guide.rst.gz").write_bytes(gzip.compress("Grüße".encode()))
    [document] = Source(tmp_path).documents()
    assert (document.name, document.text) == ("guide.rst.gz", "Grüße")


def test_text_is_kept_as_it_is_except_for_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\n two\t\n")
    [document] = Source(tmp_path).documents()
    assert document.text == "one\r\n two\t\n"


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"\xff\xfe\xfa", "latin.txt", "not UTF-8 text"),
        (b"ab\0cd", "binary.txt", "binary"),
        (b" \n", "blank.txt", "empty"),
        (b"no gzip", "plain.txt.gz", "damaged gzip data"),
        (gzip.compress(b"text" * 1000, mtime=0)[:-9], "cut.txt.gz", "damaged gzip data"),
        (gzip.compress(b"\0" * 200, mtime=0)[:12] + b"\xff\xff", "broken.md.gz", "damaged gzip data"),
    ],
)
def test_a_file_that_cannot_be_read_is_left_out_with_the_reason(
    tmp_path: Path, content: bytes, name: str, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.txt").write_text("good")
    source = Source(tmp_path)
    assert names(source) == ["good.txt"]
    assert source.skipped == [(name, reason)]


def test_a_compression_bomb_is_left_out_without_being_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "FILE_BYTES_MAX", 1 << 20)
    (tmp_path / "bomb.txt.gz").write_bytes(gzip.compress(b"a" * (32 << 20)))
    source = Source(tmp_path)
    assert names(source) == []
    assert source.skipped == [("bomb.txt.gz", "larger than 1 MiB")]


def test_a_corpus_beyond_the_limits_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus_of(tmp_path, {"a.txt": "x" * 60, "b.txt": "y" * 60})
    monkeypatch.setattr(reading, "CORPUS_BYTES_MAX", 100)
    with pytest.raises(CorpusError, match="name a smaller folder"):
        names(Source(tmp_path))
    monkeypatch.setattr(reading, "CORPUS_FILES_MAX", 1)
    with pytest.raises(CorpusError, match="more than 1 text files"):
        names(Source(tmp_path))


def test_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    corpus_of(tmp_path / "outside", {"secret.txt": "secret"})
    corpus_of(tmp_path / "in", {"a.txt": "a"})
    (tmp_path / "in" / "file.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    source = Source(tmp_path / "in")
    assert names(source) == ["a.txt"]
    assert {name for name, _ in source.skipped} == {"file.txt", "folder", "loop"}


def test_the_source_itself_may_be_a_symbolic_link(tmp_path: Path) -> None:
    corpus_of(tmp_path / "real", {"a.txt": "a"})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert names(Source(tmp_path / "link")) == ["a.txt"]


def test_a_pipe_is_left_out_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    source = Source(tmp_path)
    assert names(source) == []
    assert source.skipped == [("pipe.txt", "not a regular file")]


def test_the_same_text_counts_once(tmp_path: Path) -> None:
    corpus_of(tmp_path, {"a.txt": "same", "b.md": "same"})
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"same", mtime=0))
    source = Source(tmp_path)
    assert names(source) == ["a.txt"]
    assert len(source.skipped) == 2


def test_a_name_that_would_move_the_cursor_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "evil\x1b[2J.txt").write_text("text")
    source = Source(tmp_path)
    assert names(source) == []
    assert source.skipped[0].name.isprintable()


def test_a_second_pass_starts_its_list_of_left_out_files_anew(tmp_path: Path) -> None:
    (tmp_path / "blank.txt").write_text("")
    source = Source(tmp_path)
    assert (names(source), names(source)) == ([], [])
    assert len(source.skipped) == 1


@pytest.mark.parametrize("name", ["missing", "file.txt"])
def test_a_source_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("text")
    with pytest.raises(CorpusError, match="not a folder"):
        names(Source(tmp_path / name))
