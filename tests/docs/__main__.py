"""`python -m tests.docs` prints the tables of `docs/*.md` anew."""

from tests.docs.tables import DOCS, printed

for page in sorted(DOCS.glob("*.md")):
    page.write_text(printed(page.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"printed {page.name}")
