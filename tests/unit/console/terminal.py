"""A terminal of the plainest kind: takes what is written to it, and can say what it shows."""

from __future__ import annotations

import re

from rich.cells import get_character_cell_size

_TOKEN = re.compile(r"\x1b\[([?0-9;]*)([a-zA-Z])|([^\x1b])")


class Terminal:
    """Knows four sequences: go to a place, go ahead, choose a pen, and modes, which it ignores."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.shown = {(y, x): ("?", "unknown") for y in range(height) for x in range(width)}
        self.y = self.x = 0
        self.pen: dict[str, str] = {}

    def write(self, data: str) -> None:
        for numbers, final, char in _TOKEN.findall(data):
            if char:
                self._put(char)
            elif final == "H":
                self.y, self.x = (int(number) - 1 for number in numbers.split(";"))
            elif final == "C":
                self.x += int(numbers or 1)
            elif final == "m":
                self._choose(numbers)
            else:
                assert final in "hl", f"nobody knows {numbers}{final}"

    def _put(self, char: str) -> None:
        size = get_character_cell_size(char)
        assert self.x + size <= self.width and self.y < self.height
        if char == " " and "7" not in self.pen:
            look = f"{self.pen.get('48', '')}{self.pen.get('4', '')}"
        else:
            look = " ".join(f"{name}={self.pen[name]}" for name in sorted(self.pen))
        self.shown[self.y, self.x] = (char, look)
        if size == 2:
            self.shown[self.y, self.x + 1] = ("", look)
        self.x += size

    def _choose(self, numbers: str) -> None:
        for code in re.findall(r"[34]8;2;\d+;\d+;\d+|\d+", numbers):
            if code == "0":
                self.pen.clear()
            elif code in ("39", "49"):
                self.pen.pop(code[0] + "8", None)
            elif ";" in code:
                self.pen[code[:2]] = code
            else:
                self.pen[code] = code

    def lines(self) -> list[str]:
        """The characters, line by line."""
        return ["".join(self.shown[y, x][0] for x in range(self.width)) for y in range(self.height)]
