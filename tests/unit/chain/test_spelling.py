"""A name that only looks like another is told apart: by its normal form, and by how it is written in ASCII."""

from __future__ import annotations

import pytest
from ens.exceptions import InvalidName
from ens.utils import dns_encode_name, normalize_name, raw_name_to_hash
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_core.chain.ens.names import BadName, normal_name, read_name
from mesh_core.chain.ens.spelling import ascii_form, other_spelling

CYRILLIC = "n\N{CYRILLIC SMALL LETTER O}de1.axl.eth"


def test_a_name_in_ascii_has_no_other_spelling() -> None:
    assert ascii_form("node1.axl.eth") == "node1.axl.eth"
    assert other_spelling("node1.axl.eth") == ""


def test_a_homograph_is_shown_in_ascii_and_is_no_name() -> None:
    assert other_spelling(CYRILLIC) == "xn--nde1-55d.axl.eth"
    with pytest.raises(BadName, match="multiple groups"):
        read_name(CYRILLIC)


def test_a_name_of_another_script_has_a_normal_form_and_an_ascii_one() -> None:
    name = normal_name("bücher.eth")
    assert name.text == "bücher.eth"
    assert other_spelling(name.text) == "xn--bcher-kva.eth"


def test_what_is_typed_is_brought_into_normal_form_and_what_is_claimed_must_have_it() -> None:
    assert read_name("Node1.AXL.eth").text == "node1.axl.eth"
    with pytest.raises(BadName, match=r"its normal form is node1\.axl\.eth"):
        normal_name("Node1.axl.eth")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a..eth",
        ".eth",
        "eth.",
        "a b.eth",
        "a\x1b[31m.eth",
        "a\n.eth",
        "node1.axl.eth/..",
        "x" * 64 + ".eth",
        "a." * 20 + "eth",
        "x" * 1_000_000,
        "\ud800.eth",
        "a\u200d.eth",
        "a\u202eb.eth",
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(BadName):
        read_name(text)


def test_a_spelling_is_bounded_whatever_is_claimed() -> None:
    for text in ("é" * 1_000_000, "é." * 500_000, "\ud800" * 300, CYRILLIC * 1000):
        assert len(ascii_form(text)) <= 255
        assert ascii_form(text).isascii()


def test_hashes_are_those_of_eip_137() -> None:
    name = read_name("foo.eth")
    assert name.node.hex() == "de9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f"
    assert name.dns == b"\x03foo\x03eth\0"
    assert name.labelhash.hex() == "41b1a0649752af1b28b3dc29a1556eee781e4a4c3a1f7f53f90fa834de098c4d"
    assert (name.label, name.parent) == ("foo", "eth")


def test_below_is_meant_by_labels_not_by_letters() -> None:
    parent = read_name("axl.eth")
    assert read_name("agent1.node1.axl.eth").is_below(parent)
    assert not read_name("notaxl.eth").is_below(parent)
    assert not parent.is_below(parent)


@settings(deadline=None)
@given(st.text(alphabet="ab-_9xn.", min_size=1, max_size=12))
def test_plain_names_are_what_the_library_makes_of_them(text: str) -> None:
    """Most names are read without its tables: with the same outcome."""
    try:
        name = read_name(text)
    except BadName:
        with pytest.raises((InvalidName, AssertionError)):
            assert all(normalize_name(text).split("."))
        return
    assert name.text == normalize_name(text)
    assert name.node == raw_name_to_hash(name.text)
    assert name.dns == dns_encode_name(name.text)
