"""The console by its keys, at the two sizes it is made for."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from tests.unit.console.feeder import Feeder, peer_of, rescue_story
from tests.unit.console.harness import Bench
from whisper_tui.app import Console, ConsoleOptions, run_console
from whisper_tui.errors import UserError
from whisper_tui.model.state import SUPERVISOR
from whisper_tui.screens.quit import ExitChoice

SIZES = [(80, 24), (120, 40)]


@pytest.mark.parametrize("size", SIZES)
async def test_the_overview_tells_of_nodes_jobs_leases_and_the_ledger(size: tuple[int, int]) -> None:
    bench = Bench(rescue_story(until="rescued"))
    async with bench.console.run_test(size=size) as pilot:
        await bench.settle(pilot)
        shown = bench.text()
        assert "whisper local" in shown and "LIVE 4Hz" in shown and "3/6 up" in shown and "conv ✓" in shown
        assert "MTTR 0.8s" in shown and "RW" in shown
        assert "✖ dead" in shown and "● alive" in shown and "◆ you" in shown
        assert "q1.4 epoch 2 → node3, 4 promised" in shown
        if size == (120, 40):
            assert "✖╌" in shown and "node4→node3" in shown
            assert "SUSPECTED" in shown and "+0.75s" in shown
            assert "Replicas: records missing" in shown and "Ledger" in shown


async def test_all_six_up_is_said_in_the_header() -> None:
    bench = Bench(rescue_story(until="started"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        assert "6/6 up" in bench.text()


@pytest.mark.parametrize("size", SIZES)
async def test_views_are_switched_by_number(size: tuple[int, int]) -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=size) as pilot:
        await bench.press(pilot, "8")
        assert "[8 Log]" in bench.text() and "result opened by its submitter" in bench.text()
        await bench.press(pilot, "1")
        assert "[1 Overview]" in bench.text() and "NODE" in bench.text()


async def test_tab_changes_the_main_pane_in_a_small_terminal() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        assert "TIMELINE" not in bench.text()
        await bench.press(pilot, "tab")
        assert "TIMELINE" in bench.text() and "PROCESS" not in bench.text()


async def test_killing_one_takes_x_k_y_and_prints_its_command() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "j", "j", "j", "X", "k")
        asked = bench.text()
        assert "Kill node4?" in asked and "whisper-tui kill node4" in asked
        assert "node4 holds 1 lease · 5 of 6 providers stay · every job keeps its quorum" in asked
        await bench.press(pilot, "y")
        assert bench.deeds.done == [("kill", "node4")]
        assert "whisper-tui kill node4" in bench.text()


async def test_without_a_node_only_what_is_about_the_whole_mesh_is_offered() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "tab", "X")
        assert "h heal  a add  esc back" in last_line(bench) and "k kill" not in last_line(bench)
        assert last_line(bench).endswith("no node chosen")


async def test_the_menu_of_a_small_terminal_has_room_for_whom_it_is_about() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "space", "space", "X")
        assert "esc back" in last_line(bench) and last_line(bench).endswith("2 nodes")
        await bench.press(pilot, "escape", "space", "space", "space", "space", "X")
        assert last_line(bench).endswith("6 nodes")


async def test_disturbing_a_question_is_about_all_who_hold_its_jobs() -> None:
    bench = Bench(rescue_story(until="rescued"))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "tab", "X", "k")
        assert "Kill node1, node3, node5?" in bench.text()
        await bench.press(pilot, "escape", "j", "j", "X", "k")
        assert "Kill node1?" in bench.text()


async def test_a_long_refusal_is_shown_in_full_in_a_small_terminal() -> None:
    bench = Bench(rescue_story(until="running"))
    bench.deeds.refusal = "node2 cannot be killed while " + "something very long " * 4 + "goes on: wait"
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "j", "X", "k", "y")
        assert last_line(bench).startswith(" ") and "goes on: wait" in bench.text()
        bench.clock.seconds += 10
        await bench.settle(pilot)
        assert "node2 cannot" not in bench.text() and "s submit" in last_line(bench)


async def test_a_dialog_ignores_enter_and_what_comes_in_its_first_300_ms() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "X")
        await pilot.press("k", "y")
        assert "Kill node1?" in bench.text()
        await bench.press(pilot, "enter")
        assert "Kill node1?" in bench.text() and bench.deeds.done == []
        await bench.press(pilot, "escape")
        assert "Kill node1?" not in bench.text() and bench.deeds.done == []


async def test_the_target_is_bound_when_x_is_pressed_and_survives_a_reordering() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "j", "X")
        bench.mesh.tell(
            "operator", "member", {**_member(bench.mesh, "node2"), "peer": "00" * 32, "name": "node0"}
        )
        await bench.settle(pilot)
        await bench.press(pilot, "k", "y")
        assert bench.deeds.done == [("kill", "node2")]


def _member(mesh: Feeder, name: str) -> dict[str, object]:
    return next(e.data for e in mesh.events if e.kind == "member" and e.data["name"] == name)


async def test_a_target_that_changed_meanwhile_is_left_alone() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "j", "X", "z")
        assert "Pause node2?" in bench.text()
        bench.mesh.kill("node2")
        await bench.settle(pilot)
        await bench.press(pilot, "y")
        assert bench.deeds.done == [] and "node2 is killed now: nothing was done" in bench.text()


async def test_killing_several_asks_for_their_number_to_be_typed() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "space", "space", "space", "X", "k")
        assert "3 nodes hold 3 leases · 3 of 6 providers stay" in bench.text()
        assert "type “3 nodes” and press enter" in bench.text() and "type it here" in bench.text()
        await bench.press(pilot, "y", "enter")
        assert bench.deeds.done == [] and "that is not “3 nodes”" in bench.text()
        await bench.press(pilot, "backspace", *"3", "space", *"nodes", "enter")
        assert bench.deeds.done == [("kill", "node1", "node2", "node3")]


async def test_losing_a_quorum_is_said_and_takes_the_name() -> None:
    bench = Bench(rescue_story(until="rescued"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "X", "k")
        assert "6 jobs would lose" in bench.text()
        await bench.press(pilot, *"node1", "enter")
        assert bench.deeds.done == [("kill", "node1")]


async def test_a_dead_node_is_revived_and_a_refusal_is_shown() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        bench.deeds.refusal = "node2 has no key"
        await bench.press(pilot, "j", "X", "r", "y")
        assert "node2 has no key" in bench.text()
        bench.deeds.refusal = ""
        await bench.press(pilot, "X", "r", "y")
        assert bench.deeds.done == [("revive", "node2")]


async def test_partition_and_heal() -> None:
    bench = Bench(rescue_story(until="started"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "space", "space", "space", "X", "c")
        await bench.press(pilot, *"3", "space", *"nodes", "enter")
        cut_off = replace(bench.mesh._node("operator"), partitioned_from=[peer_of("node1")])
        bench.mesh.tell("operator", "node", to_builtins(cut_off))
        await bench.press(pilot, "X", "h", "y")
        assert bench.deeds.done == [("partition", (), ("node1", "node2", "node3")), ("heal",)]


async def test_what_would_change_nothing_is_not_asked_about() -> None:
    bench = Bench(rescue_story(until="started"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "X", "h")
        assert "there is no partition to heal" in bench.text() and "Heal the" not in bench.text()
        await bench.press(pilot, "X", "r")
        assert "node1 is running: nothing was done" in bench.text() and "Revive node1?" not in bench.text()
        assert bench.deeds.done == []


async def test_after_an_action_help_and_the_way_out_are_still_offered_in_a_small_terminal() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "j", "X", "k", "y")
        assert "done, the same as: whisper-tui kill node2" in bench.text()
        assert "? help" in last_line(bench) and "q quit" in last_line(bench)
        bench.deeds.refusal = "node2 cannot be paused while something goes on that takes its time: wait"
        await bench.press(pilot, "j", "X", "z", "y")
        assert "takes its time: wait" in bench.text()
        assert "? help" in last_line(bench) and "q quit" in last_line(bench)


async def test_the_help_is_not_cut_in_a_small_terminal() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "question_mark")
        seen = bench.text()
        while "more below" in bench.text():
            await bench.press(pilot, "pagedown")
            seen += bench.text()
        assert "…" not in seen.replace("“…", "")
        assert "it cannot be told apart otherwise" in " ".join(seen.split())


async def test_asking_a_question() -> None:
    bench = Bench(rescue_story(until="started"))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "s", "enter")
        assert "a question is needed" in bench.text()
        await bench.press(pilot, *"why", "tab", *"x", "enter")
        assert "the price is a number of AXL" in bench.text()
        await bench.press(pilot, "backspace", *"0.02", "enter")
        assert bench.deeds.done == [("submit", "why", 20_000)]
        assert "asked as q2" in bench.text()


async def test_keys_typed_into_a_form_are_not_commands() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "s", "q", "8", "X")
        assert "Ask the mesh" in bench.text() and "q8X" in bench.text()


async def test_read_only_refuses_actions_until_it_is_lifted() -> None:
    bench = Bench(rescue_story(until="running"), read_only=True)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "X")
        assert "read-only" in bench.text() and "RO" in bench.text()
        await bench.press(pilot, "W", "X")
        assert "chaos" in bench.text()


@pytest.mark.parametrize(
    ("keys", "choice"),
    [
        (("q", "l"), ExitChoice.LEAVE),
        (("q", "s"), ExitChoice.STOP),
        (("ctrl+c", "l"), ExitChoice.LEAVE),
        (("ctrl+c", "ctrl+c"), ExitChoice.LEAVE),
    ],
)
async def test_quitting_asks_whether_the_mesh_stays_up(keys: tuple[str, ...], choice: ExitChoice) -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, keys[0])
        assert "leave the mesh running" in bench.text()
        bench.clock.seconds += 1
        await pilot.press(keys[1])
    assert bench.console.return_value is choice


@pytest.mark.parametrize("for_good", [False, True])
async def test_a_read_only_console_can_be_left_but_does_not_stop_the_mesh(for_good: bool) -> None:
    bench = Bench(rescue_story(), read_only=True, only_reading=for_good)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "q")
        assert "leave; the mesh goes on" in bench.text() and "read-only" in bench.text()
        assert "stop the mesh" not in bench.text()
        assert ("then W allows more" in bench.text()) is not for_good
        await bench.press(pilot, "s")
        assert bench.console.is_running and bench.console.return_value is None
        await bench.press(pilot, "escape", "W", "q")
        assert ("stop the mesh" in bench.text()) is not for_good
        await bench.press(pilot, "l")
    assert bench.console.return_value is ExitChoice.LEAVE


@pytest.mark.parametrize("opener", [("s",), ("enter",), ("X",), ("question_mark",), ("8", "slash")])
async def test_ctrl_c_never_ends_the_console_by_itself(opener: tuple[str, ...]) -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, *opener, "ctrl+c", "escape", "escape")
        assert bench.console.is_running and bench.console.return_value is None
        assert "whisper local" in bench.text()


async def test_a_job_opens_with_attempts_committee_and_passages() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(120, 60)) as pilot:
        await bench.press(pilot, "tab", "j", "j", "enter")
        shown = bench.text()
        assert "Job q1.2" in shown and "epoch 1" in shown and "lost" in shown and "epoch 2" in shown
        assert "weight 4 of 7" in shown and "votes of weight 4" in shown and "nobody in it may lie" in shown
        assert "how does a neural network learn" in shown and "Gradient descent follows the slope" in shown
        assert "made by     node1, llama.cpp SmolLM2-135M" in shown
        assert "text2.md, shard 2" in shown and "A passage of shard 2." in shown
        await bench.press(pilot, "escape")
        assert "Job q1.2" not in bench.text()


async def test_a_question_opens_with_its_combined_answer_its_jobs_and_its_passages() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(120, 60)) as pilot:
        await bench.press(pilot, "tab", "enter")
        shown = bench.text()
        assert (
            "Question q1" in shown and "✓ answered" in shown and "6 of 6 settled, 3 of them rescued" in shown
        )
        assert "A network learns by sending the error back" in shown and "llama.cpp SmolLM2-135M" in shown
        assert "q1.2" in shown and "node2→node1" in shown and "Gradient descent follows" in shown
        assert "text5.md, shard 5" in shown


async def test_a_question_that_is_not_answered_yet_says_what_it_waits_for() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 40)) as pilot:
        await bench.press(pilot, "tab", "enter")
        shown = bench.text()
        assert "▓ 0/6" in shown and "it is made from the answers of all parts" in shown


async def test_an_open_job_is_cancelled_from_its_page() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "tab", "j", "enter", "C")
        assert "Cancel q1.1?" in bench.text()
        await bench.press(pilot, "y")
        assert bench.deeds.done == [("cancel", peer_of("job q1.1"))]


async def test_a_node_opens_with_what_others_see_of_it() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 40)) as pilot:
        await bench.press(pilot, "j", "enter")
        shown = bench.text()
        assert "Node node2" in shown and peer_of("node2") in shown
        assert shown.count("✖ dead") >= 4 and "silent now" in shown


async def test_the_log_is_filtered_and_scrolled() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "8", "slash", *"dead", "space", *"!node4", "enter")
        shown = bench.text()
        assert "node2 confirmed dead" in shown and "node4 confirmed dead" not in shown and "2 of 69" in shown
        await bench.press(pilot, "escape", "g")
        assert "scrolled" in bench.text() and "q1 submitted by you" in bench.text()
        await bench.press(pilot, "full_stop")
        assert "q1 answered" in bench.text() and "scrolled" not in bench.text()


async def test_a_frozen_display_stands_still_and_counts_what_it_misses() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        await bench.press(pilot, "p")
        before = len(bench.mesh.events)
        bench.mesh.kill("node2")
        await bench.settle(pilot)
        shown = bench.text()
        assert f"FROZEN +{len(bench.mesh.events) - before}" in shown and "killed" not in shown
        await bench.press(pilot, "p")
        assert "killed" in bench.text()


async def test_an_interrupted_stream_is_said_with_its_age() -> None:
    bench = Bench(rescue_story(until="running"))
    bench.mesh.source("operator", "lost", retry_ms=4_000)
    bench.mesh.wait(8_000)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        assert "STALE 8.0s, retry in 4.0s" in bench.text() and "node1" in bench.text()


async def test_a_stream_that_was_resumed_leaves_no_gap_and_one_that_began_anew_does() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        bench.mesh.source("operator", "stale", retry_ms=400)
        bench.mesh.wait(3_000)
        bench.mesh.source("operator", "live")
        await bench.press(pilot, "8")
        assert "events of operator come again" in bench.text() and "a gap" not in bench.text()
        bench.mesh.source("operator", "stale", retry_ms=400)
        bench.mesh.wait(8_000)
        bench.mesh.source("operator", "live", fresh=True)
        await bench.settle(pilot)
        assert "a gap of 8.0 s in the events of operator" in bench.text() and "LIVE" in bench.lines()[0]


async def test_a_process_that_was_down_has_missed_nothing() -> None:
    bench = Bench(rescue_story(until="confirmed"))
    bench.mesh.revive("node2")
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "8")
        assert "events of node2 come again" in bench.text() and "a gap" not in bench.text()


@pytest.mark.parametrize(("size", "shown"), [((60, 18), "node6"), ((38, 8), "6/6 up"), ((20, 3), "6/6 up")])
async def test_a_terminal_that_is_too_small_still_tells_something(size: tuple[int, int], shown: str) -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=size) as pilot:
        await bench.settle(pilot)
        assert shown in bench.text()


async def test_a_resize_changes_the_layout() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        assert "Replicas" not in bench.text()
        await pilot.resize_terminal(120, 40)
        await bench.settle(pilot)
        assert "Replicas" in bench.text() and "TIMELINE" in bench.text()


async def test_after_a_resize_every_line_is_used_although_nothing_happens_any_more() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        await pilot.resize_terminal(80, 24)
        await bench.settle(pilot)
        assert bench.lines()[-2].strip()


async def test_ascii_means_ascii() -> None:
    bench = Bench(rescue_story(until="rescued"), ascii=True)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        assert bench.text().isascii()
        await bench.press(pilot, "X", "k")
        assert bench.text().isascii()


async def test_no_colour_means_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    bench = Bench(rescue_story(until="rescued"))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        strips = bench.console.screen._compositor.render_strips()
        styled = [segment for strip in strips for segment in strip if segment.style is not None]
        assert any(segment.style.bold for segment in styled), "weight says what colour would"
        for segment in styled:
            assert segment.style.color is None or segment.style.color.is_default, segment
            assert segment.style.bgcolor is None or segment.style.bgcolor.is_default, segment


async def test_without_a_terminal_the_console_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    bench = Bench(Feeder())
    with pytest.raises(UserError, match="needs a terminal"):
        await run_console(bench.source, bench.deeds, options=ConsoleOptions())


def take_down(mesh: Feeder, *, said: bool = True) -> None:
    """Somebody else stops the mesh, and says so or does not."""
    mesh.tell(SUPERVISOR, "source", {"node": SUPERVISOR, "state": "live"})
    if said:
        mesh.action("down", mesh.everyone, "whisper-tui down")
    mesh.tell(SUPERVISOR, "source", {"node": SUPERVISOR, "state": "stale" if said else "lost"})
    for name in mesh.everyone:
        mesh.source(name, "lost")


async def test_a_quit_dialog_that_stands_open_learns_that_the_mesh_was_stopped() -> None:
    mesh = rescue_story(until="running")
    bench = Bench(mesh)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "q")
        assert "leave the mesh running" in bench.text()
        take_down(mesh)
        await bench.settle(pilot)
        assert "leave the mesh running" not in bench.text() and "the mesh was stopped" in bench.text()
        await bench.press(pilot, "s")
        assert bench.console.return_value is None


@pytest.mark.parametrize("said", [True, False])
async def test_a_mesh_taken_down_from_elsewhere_is_said_to_be_stopped_and_can_only_be_left(
    said: bool,
) -> None:
    mesh = rescue_story(until="running")
    bench = Bench(mesh, typed=lambda text: text.replace("whisper-tui ", ".venv/bin/whisper-tui "))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        take_down(mesh, said=said)
        await bench.settle(pilot)
        shown = bench.text()
        assert "the mesh was stopped; to start it again: .venv/bin/whisper-tui up" in shown
        assert "alive" not in shown and "submit" not in last_line(bench) and "chaos" not in last_line(bench)
        await bench.press(pilot, "s")
        assert "Ask the mesh" not in bench.text() and "the mesh was stopped" in last_line(bench)
        await bench.press(pilot, "X")
        assert "cut off" not in bench.text()
        await bench.press(pilot, "q")
        assert "stop the mesh" not in bench.text() and "the mesh was stopped" in bench.text()
        await bench.press(pilot, "s")
        assert bench.console.return_value is None
        await bench.press(pilot, "l")
    assert bench.console.return_value is ExitChoice.LEAVE


async def test_commands_are_shown_as_they_work_in_this_shell_or_not_at_all() -> None:
    mesh = rescue_story(until="running")
    shell = "/home/me/whisper/.venv/bin/whisper-tui"
    bench = Bench(mesh, typed=lambda text: text.replace("whisper-tui", shell))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "X", "k")
        assert f"{shell} kill node1" in bench.text()
        await bench.press(pilot, "y")
        assert f"{shell} kill node1" in last_line(bench)
        mesh.action("pause", ["node2"], "whisper-tui pause node2")
        await bench.press(pilot, "8")
        assert f"node2 paused by you  {shell} pause node2" in bench.text()
        bench.clock.seconds += 10
        await pilot.resize_terminal(80, 24)
        await bench.settle(pilot)
        assert "node2 paused by you" in bench.text() and "/home/me" not in bench.text()


async def test_a_pane_that_grew_shows_all_its_lines_although_nothing_happens_any_more() -> None:
    bench = Bench(Feeder())
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        assert "no replica has reported yet" in bench.text()
        bench.mesh.start()
        bench.source.more.set()
        await pilot.pause()
        bench.console.tick()  # the only frame
        await pilot.pause()
        matrix = [line for line in bench.lines() if " 000000" in line]
        assert len(matrix) == 7


async def test_the_newest_events_are_shown_although_the_incident_took_some_of_their_lines() -> None:
    mesh = rescue_story(until="running")
    bench = Bench(mesh)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        mesh.kill("node2", "node4", "node6")
        bench.source.more.set()
        await pilot.pause()
        bench.console.tick()  # the only frame
        await pilot.pause()
        assert "node6 link lost" in bench.text()


def last_line(bench: Bench) -> str:
    return bench.text().rstrip().splitlines()[-1]


async def test_without_the_operators_node_nothing_can_be_asked_but_it_can_be_revived() -> None:
    mesh = rescue_story(until="running")
    mesh.kill("operator")
    bench = Bench(mesh)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        assert "operator is killed; to bring it back: whisper-tui revive operator" in last_line(bench)
        assert " s submit" not in last_line(bench) and " X chaos" in last_line(bench)
        await bench.press(pilot, "s")
        assert "Ask the mesh" not in bench.text() and "operator is killed" in last_line(bench)
        await bench.press(pilot, "G", "X", "r", "y")
        assert bench.deeds.done == [("revive", "operator")]


async def test_a_command_that_does_not_fit_beside_its_message_stands_in_a_line_of_its_own() -> None:
    mesh = rescue_story(until="running")
    shell = "/home/me/a/checkout/of/whisper/.venv/bin/whisper-tui"
    bench = Bench(mesh, typed=lambda text: text.replace("whisper-tui", shell))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "G", "X", "k")
        assert "you can ask nothing until it is revived" in " ".join(bench.text().split())
        await bench.press(pilot, "y")
        above, keys = bench.text().rstrip().splitlines()[-2:]
        assert above.strip() == f"{shell} kill operator" and "? help" in keys
        mesh.kill("operator")
        bench.clock.seconds += 10
        await bench.settle(pilot)
        above, keys = bench.text().rstrip().splitlines()[-2:]
        assert above.strip() == f"{shell} revive operator" and "? help" in keys


async def test_without_the_supervisor_nothing_can_be_done_and_the_picture_is_old() -> None:
    mesh = rescue_story(until="running")
    bench = Bench(mesh)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        mesh.tell(SUPERVISOR, "source", {"node": SUPERVISOR, "state": "stale"})
        await bench.settle(pilot)
        assert "STALE" in bench.text() and "to see whether it runs: whisper-tui nodes" in last_line(bench)
        await bench.press(pilot, "s", "X")
        assert "Ask the mesh" not in bench.text() and "cut off" not in bench.text()


async def test_a_read_only_console_offers_no_action_but_the_key_that_allows_them() -> None:
    bench = Bench(rescue_story(until="running"), read_only=True)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        assert " s submit" not in last_line(bench) and "W allow actions" in last_line(bench)
        await bench.press(pilot, "tab", "j", "enter", "C")
        assert "cancel job" not in bench.text() and "Cancel q1.1?" not in bench.text()
        await bench.press(pilot, "escape", "W")
        bench.clock.seconds += 10
        await bench.settle(pilot)
        assert " s submit" in last_line(bench) and "W allow actions" not in last_line(bench)


def test_a_mesh_that_comes_back_is_not_stopped_any_more() -> None:
    mesh = rescue_story(until="running")
    mesh.action("down", mesh.everyone, "whisper-tui down")
    for state, stopped in (("stale", True), ("live", False), ("stale", False)):
        mesh.tell(SUPERVISOR, "source", {"node": SUPERVISOR, "state": state})
        assert mesh.state().stopped is stopped


async def test_the_cursor_goes_to_a_new_question_unless_it_was_just_moved() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "tab")
        jobs = bench.console.main.overview.jobs

        async def ask(label: str) -> str:
            bench.mesh.wait(500)
            bench.clock.seconds += 0.5
            query = bench.mesh.submit(label=label)
            await bench.settle(pilot)
            return query.query

        for label in ("q2", "q3", "q4"):  # also in a burst
            assert await ask(label) == jobs.cursor
        await bench.press(pilot, "j", "j")
        moved_to = jobs.cursor
        await ask("q5")
        assert jobs.cursor == moved_to
        bench.clock.seconds += 6
        assert await ask("q6") == jobs.cursor
        assert "q6.1" in bench.text()


def _link(frame_s: float, *, is_busy: bool = False) -> SimpleNamespace:
    return SimpleNamespace(frame_s=frame_s, is_busy=is_busy, calm=lambda: None)


async def test_a_slow_link_is_named_and_not_for_longer_than_it_is_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        for frame_s, shown in ((1.25, "slow link 0.8Hz"), (0.1, "LIVE 4Hz")):
            monkeypatch.setattr(Console, "_link", _link(frame_s))
            await bench.settle(pilot)
            assert shown in bench.text()


async def test_while_a_frame_is_on_its_way_no_other_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        monkeypatch.setattr(Console, "_link", _link(0.1, is_busy=True))
        bench.mesh.kill("node2")
        await bench.settle(pilot)
        assert "killed" not in bench.text()
        monkeypatch.setattr(Console, "_link", _link(0.1))
        await bench.settle(pilot)
        assert "killed" in bench.text()


async def test_what_was_kept_from_before_is_said_when_the_console_opens() -> None:
    bench = Bench(rescue_story(until="started"), greeting="kept from before: answers held 15 s")
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        assert "kept from before: answers held 15 s" in bench.lines()[-1]


async def test_a_question_that_stands_for_a_while_says_what_would_be_lost_now() -> None:
    bench = Bench(rescue_story(until="rescued"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "X", "k")
        assert "node1 holds 2 leases" in bench.text() and "6 jobs would lose the" in bench.text()
        for number in range(1, 7):
            bench.mesh.settle(f"q1.{number}")
        await bench.settle(pilot)
        assert "node1 holds no lease" in bench.text() and "every job keeps its" in bench.text()
        assert "type “node1”" in bench.text()


async def test_a_form_that_stands_for_a_while_says_who_would_answer_now() -> None:
    bench = Bench(rescue_story(until="started"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "s")
        assert "6 of 6 providers are up" in bench.text()
        view = replace(bench.mesh._member("node1"), state="dead")
        bench.mesh.tell("operator", "member", to_builtins(view))
        await bench.settle(pilot)
        assert "5 of 6 providers are up" in bench.text()


async def test_a_partition_in_place_of_another_is_said_to_be() -> None:
    bench = Bench(rescue_story(until="started"))
    for hidden in ([], [peer_of("node3")]):
        view = replace(bench.mesh._node("operator"), partitioned_from=hidden)
        bench.mesh.tell("operator", "node", to_builtins(view))
        async with bench.console.run_test(size=(80, 24)) as pilot:
            await bench.press(pilot, "X", "c")
            assert ("takes the place of the partition of node3" in bench.text()) is bool(hidden)
            await bench.press(pilot, "escape")
        bench = Bench(bench.mesh)


@pytest.mark.parametrize("size", [(30, 8), (39, 40), (200, 9), (12, 3)])
async def test_a_terminal_that_is_too_small_says_so_and_how_the_mesh_is(size: tuple[int, int]) -> None:
    bench = Bench(rescue_story(until="rescued"))
    async with bench.console.run_test(size=size) as pilot:
        await bench.settle(pilot)
        lines = bench.lines()
        assert lines[0].startswith(" too small: 40x10 or more"[: size[0] - 1])
        assert lines[1].startswith(" ● LIVE 4Hz"[: size[0] - 1]) and "3/6 up" in lines[2]
        await pilot.resize_terminal(40, 10)
        await bench.settle(pilot)
        assert "NODE" in bench.text() and "too small" not in bench.text()


async def test_a_stopped_mesh_holds_no_leases() -> None:
    mesh = rescue_story(until="running")
    bench = Bench(mesh)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        assert " e1 " in bench.text()
        mesh.action("down", [], "whisper-tui down")
        mesh.tell(SUPERVISOR, "source", {"node": SUPERVISOR, "peer": "", "state": "live", "fresh": True})
        mesh.tell(SUPERVISOR, "source", {"node": SUPERVISOR, "peer": "", "state": "stale"})
        await bench.settle(pilot)
        assert "nothing is being worked on" in bench.text()
