"""What the documentation says of the code is what the code says."""

from pathlib import Path

import pytest

from mesh_core.checkpoint.checkpoints import Checkpoints
from mesh_core.checkpoint.elector import Elector
from mesh_core.checkpoint.marks import Marks
from mesh_core.checkpoint.patience import Patience
from mesh_core.checkpoint.places import Places
from mesh_core.checkpoint.rounds import Rounds
from mesh_core.context import Context
from mesh_core.identity.pen import Pen
from mesh_core.ledger.orphans import Orphans
from mesh_core.ledger.proofs import Proofs
from mesh_core.node import Node
from mesh_core.standing.succession import Succession
from tests.docs.machines import parts_of
from tests.docs.tables import DOCS, TABLES, printed


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_tables_are_as_the_code_prints_them(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == printed(text), f"run `python -m tests.docs` and look at what changed in {page.name}"


def test_every_table_is_in_a_page() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    missing = [name for name in TABLES if f"<!-- table: {name} -->" not in pages]
    assert not missing


def test_the_machines_of_a_node_are_found_whether_or_not_it_keeps_them() -> None:
    machines = list(parts_of(Node))
    assert {Checkpoints, Context, Orphans, Proofs, Succession} <= set(machines)
    assert len(machines) == len(set(machines))
    assert list(parts_of(Context)) == [Pen]


def test_what_a_machine_makes_whenever_it_begins_anew_is_part_of_it() -> None:
    assert list(parts_of(Elector)) == [Rounds]
    assert list(parts_of(Marks)) == [Patience, Places]
