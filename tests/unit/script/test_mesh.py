"""Whose stores a run's audit reads as those of the living, and whose as those of the dead."""

from pathlib import Path

from tests.unit.script.stand_in import PROVIDERS, StandIn
from whisper_tui.script.mesh import LiveMesh
from whisper_tui.settings import Settings
from whisper_tui.supervisor.prepare import Wishes


def test_who_was_killed_or_paused_is_gone_and_everybody_else_is_live(tmp_path: Path) -> None:
    stand_in = StandIn(tmp_path)
    stand_in.feeder.kill("node4")
    stand_in.feeder.tell("supervisor", "process", {"name": "node2", "part": "provider", "state": "paused"})
    stand_in.tell()
    mesh = LiveMesh(stand_in.run, Wishes(), Settings({}, None, None))
    mesh._plan, mesh._picture = stand_in.plan, stand_in.picture
    live, gone = mesh.participants()
    assert gone == ["node2", "node4"]
    assert live == [name for name in [*PROVIDERS, "operator"] if name not in gone]
