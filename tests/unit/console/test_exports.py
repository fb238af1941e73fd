"""Files of what is on the screen go where the operator wants them, whatever others are called."""

from pathlib import Path

import pytest

from whisper_tui.exports import write_export


@pytest.mark.parametrize(
    "name", ["/etc/elsewhere", "../../outside", "Node a/b", "..", "", "x" * 4_000, "a\x1b[31m\u202eb"]
)
def test_a_title_chooses_no_other_place_for_a_file(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "exports"
    path = write_export(folder, name, "txt", "what was shown", 1_700_000_000_000.0)
    assert path.parent == folder and path.read_text(encoding="utf-8") == "what was shown"
    assert list(tmp_path.rglob("*")) == [folder, path]


def test_files_of_one_moment_stand_beside_each_other(tmp_path: Path) -> None:
    first, second = (write_export(tmp_path, "nodes", "json", str(n), 0.0) for n in range(2))
    assert first != second and (first.read_text(), second.read_text()) == ("0", "1")
