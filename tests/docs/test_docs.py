"""What the documentation says of the code is what the code says."""

from pathlib import Path

import pytest

from tests.docs.tables import DOCS, TABLES, printed


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_tables_are_as_the_code_prints_them(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == printed(text), f"run `python -m tests.docs` and look at what changed in {page.name}"


def test_every_table_is_in_a_page() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    missing = [name for name in TABLES if f"<!-- table: {name} -->" not in pages]
    assert not missing
