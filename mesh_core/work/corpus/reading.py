"""The documents of a folder: text files, plain or gzipped, in a fixed order and within limits."""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mesh_core.work.errors import CorpusError
from mesh_core.work.options import CORPUS_BYTES_MAX, CORPUS_FILES_MAX, FILE_BYTES_MAX
from mesh_core.work.result import SOURCE_CHARS_MAX

SUFFIXES = (".txt", ".md", ".rst")


class Document(NamedTuple):
    """One text: its path below the source with forward slashes, its content, the hash of that content."""

    name: str
    text: str
    digest: bytes


class Skipped(NamedTuple):
    """A file that is not part of the corpus although it might look so."""

    name: str
    reason: str


class _Unreadable(Exception):
    """This file is skipped; the message says why."""


@dataclass
class Source:
    """A folder to read documents from. `skipped` tells what the last pass left out."""

    root: Path
    skipped: list[Skipped] = field(default_factory=list)

    def documents(self) -> Iterator[Document]:
        """All documents, ordered by name; at most one is held in memory at a time.

        Symbolic links below the source are not followed and a text that occurs twice counts once. Raises
        CorpusError when the folder cannot be read or is larger than the limits.
        """
        self.skipped = []
        seen: set[bytes] = set()
        total = 0
        for name, path in self._files():
            try:
                content = _content(path)
                text = _text(content)
            except _Unreadable as error:
                self.skipped.append(Skipped(name, str(error)))
                continue
            digest = hashlib.blake2b(content, digest_size=32).digest()
            if digest in seen:
                self.skipped.append(Skipped(name, "same text as another file"))
                continue
            seen.add(digest)
            total += len(content)
            if total > CORPUS_BYTES_MAX:
                raise CorpusError(
                    f"{self.root}: more than {CORPUS_BYTES_MAX >> 20} MiB of text; name a smaller folder"
                )
            yield Document(name, text, digest)

    def _files(self) -> list[tuple[str, Path]]:
        if not self.root.is_dir():
            raise CorpusError(
                f"{self.root}: not a folder; a corpus is a folder of {', '.join(SUFFIXES)} files"
            )
        root = self.root.resolve()
        files: list[tuple[str, Path]] = []
        for folder, folders, names in os.walk(root, onerror=self._unreadable_folder):
            links = [name for name in folders if Path(folder, name).is_symlink()]
            for name in links + [name for name in names if _is_text_name(name)]:
                path = Path(folder, name)
                shown = path.relative_to(root).as_posix()
                if path.is_symlink():
                    self.skipped.append(Skipped(shown, "a symbolic link, not followed"))
                elif not shown.isprintable() or len(shown) > SOURCE_CHARS_MAX:
                    self.skipped.append(Skipped(ascii(shown)[:SOURCE_CHARS_MAX], "its name cannot be shown"))
                else:
                    files.append((shown, path))
            if len(files) > CORPUS_FILES_MAX:
                raise CorpusError(
                    f"{self.root}: more than {CORPUS_FILES_MAX} text files; name a smaller folder"
                )
        return sorted(files)

    def _unreadable_folder(self, error: OSError) -> None:
        self.skipped.append(Skipped(ascii(error.filename), f"cannot be listed: {error.strerror}"))


def _is_text_name(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith(SUFFIXES)


def _content(path: Path) -> bytes:
    """The unpacked bytes of a file; never more than one byte beyond the limit is unpacked."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise _Unreadable("not a regular file")
        with path.open("rb") as packed:
            if path.name.lower().endswith(".gz"):
                with gzip.GzipFile(fileobj=packed) as unpacked:
                    content = unpacked.read(FILE_BYTES_MAX + 1)
            else:
                content = packed.read(FILE_BYTES_MAX + 1)
    except OSError as error:  # gzip.BadGzipFile is one, without strerror
        raise _Unreadable(error.strerror or "damaged gzip data") from error
    except (EOFError, zlib.error) as error:
        raise _Unreadable("damaged gzip data") from error
    if len(content) > FILE_BYTES_MAX:
        raise _Unreadable(f"larger than {FILE_BYTES_MAX >> 20} MiB")
    return content


def _text(content: bytes) -> str:
    if b"\0" in content:
        raise _Unreadable("binary")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Unreadable("not UTF-8 text") from error
    if not text or text.isspace():
        raise _Unreadable("empty")
    return text
