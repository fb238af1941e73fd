"""The views there are, in the order of their numbers. Whoever adds one adds it here, and its key to the key map."""

from __future__ import annotations

from whisper_tui.keymap import Keymap
from whisper_tui.screens.auctions import AuctionsView
from whisper_tui.screens.ens import EnsView
from whisper_tui.screens.incidents import IncidentsView
from whisper_tui.screens.jobs import JobsView
from whisper_tui.screens.ledger import LedgerView
from whisper_tui.screens.log import LogView
from whisper_tui.screens.nodes import NodesView
from whisper_tui.screens.overview import Overview
from whisper_tui.screens.view import View

VIEWS: tuple[type[View], ...] = (
    Overview,
    NodesView,
    JobsView,
    AuctionsView,
    LedgerView,
    EnsView,
    IncidentsView,
    LogView,
)
"""Tabs are shown and views made from this table."""


def view_id(view: type[View]) -> str:
    """The id of the key that shows a view."""
    return f"view_{view.TITLE.lower()}"


def tabs_of(keymap: Keymap) -> list[tuple[str, str]]:
    """Key and title of each."""
    return [(keymap.shown(view_id(view)), view.TITLE) for view in VIEWS]
