"""Every picture of a console as a file of text, so that a run can be read, searched and compared."""

from __future__ import annotations

from pathlib import Path


class FramesFolder:
    """Writes `00001.txt`, `00002.txt`, … into a folder, one for every frame whose characters differ from those before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._last: list[str] = []

    def frame(self, changes: str, lines: list[str]) -> None:
        """One more frame. What changes colours only changes no text."""
        if lines == self._last:
            return
        self._last = lines
        self._number += 1
        text = "\n".join(lines) + "\n"
        (self._folder / f"{self._number:05}.txt").write_text(text, encoding="utf-8")
