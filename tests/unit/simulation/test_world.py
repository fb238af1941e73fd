"""Hosts behave as machines do: they pause, crash, come back with their disk, and talk in frames."""

from mesh_core.effects import JobOptions
from mesh_core.simulation.host import INBOX_FRAMES_MAX
from mesh_core.simulation.network import Weather
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World


def running(seed: str, **options: object) -> World:
    """Three providers and an operator that have met."""
    world = World(Setup(seed=seed, providers=3, **options))  # type: ignore[arg-type]
    world.start()
    world.run_for(1.0)
    return world


def sees(world: World, name: str, other: str) -> str | None:
    """How `name` sees `other`."""
    node = world.hosts[name].node
    assert node is not None
    member = node.membership.members.get(world.hosts[other].peer)
    return member.state if member else None


def test_hosts_that_start_together_meet() -> None:
    world = running("meet")
    names = list(world.hosts)
    assert all(sees(world, one, other) == "alive" for one in names for other in names if one != other)


def test_a_crashed_host_is_seen_dead_and_alive_again_after_its_return() -> None:
    world = running("crash")
    world.crash("node1")
    world.run_for(5.0)
    assert sees(world, "node2", "node1") == "dead"
    world.start("node1")
    world.run_for(3.0)
    assert sees(world, "node2", "node1") == "alive"


def test_every_start_has_a_higher_number_than_the_one_before() -> None:
    world = running("boot")
    before = world.hosts["node1"].disk.boot
    world.crash("node1")
    world.start("node1")
    world.run_for(0.5)
    assert world.hosts["node1"].disk.boot == before + 1


def test_a_killed_host_stays_away() -> None:
    world = running("kill")
    world.kill("node1")
    world.start("node1")
    world.run_for(0.5)
    assert not world.hosts["node1"].up


def test_a_paused_host_sends_nothing_and_goes_on_where_it_was() -> None:
    world = running("pause")
    world.pause("node1")
    sent = world.hosts["node1"].frames_sent
    world.run_for(0.3)
    assert world.hosts["node1"].frames_sent == sent
    world.resume("node1")
    world.run_for(2.0)
    assert world.hosts["node1"].frames_sent > sent
    assert sees(world, "node2", "node1") == "alive"


def test_what_waits_for_the_disk_is_sent_only_when_it_is_durable() -> None:
    world = running("disk", fsync_s=(0.5, 0.5))
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", (0,), JobOptions(), "q1")
    world.run_for(0.3)
    others = [host for host in world.hosts.values() if host.name != OPERATOR]
    assert all(not host.node.ledger.jobs for host in others if host.node)
    world.run_for(1.0)
    assert all(host.node.ledger.jobs for host in others if host.node)


def test_a_query_is_answered_with_what_the_workload_made() -> None:
    world = running("answer", appetite=Appetite(0.05, 0.05))
    query = world.submit(OPERATOR, "why?", (0, 1), JobOptions(), "q1")
    world.run_for(3.0)
    node = world.hosts[OPERATOR].node
    assert node is not None
    assert query is not None
    state = node.queries.queries[query]
    assert state.finished
    assert all(b"answer of 'why?'" in state.results[job] for job in state.state.jobs)


def test_large_results_travel_in_pieces() -> None:
    world = running("large", appetite=Appetite(0.05, 0.05, padding_bytes=300_000))
    query = world.submit(OPERATOR, "why?", (0,), JobOptions(), "q1")
    world.run_for(4.0)
    node = world.hosts[OPERATOR].node
    assert node is not None
    assert query is not None
    state = node.queries.queries[query]
    assert len(state.results[state.state.jobs[0]]) > 300_000


def test_a_world_without_any_delay_still_moves_on() -> None:
    world = running("instant", weather=Weather(delay_s=0.0, jitter_s=0.0), fsync_s=(0.0, 0.0))
    assert sees(world, "node1", "node2") == "alive"


def test_equal_setups_give_equal_worlds() -> None:
    hashes = {running("same").trace.hexdigest() for _ in range(2)}
    assert len(hashes) == 1


def test_a_full_disk_looks_like_a_slow_one_and_nobody_dies() -> None:
    world = running("full")
    world.fill_disk("node1", full=True)
    world.submit(OPERATOR, "why?", (0,), JobOptions(), "q1")
    world.run_for(4.0)
    assert not world.hosts["node1"].disk.statements
    assert sees(world, "node2", "node1") == "alive"
    world.fill_disk("node1", full=False)
    world.run_for(3.0)
    assert world.hosts["node1"].disk.statements


def test_a_host_starts_once_its_disk_has_room() -> None:
    world = running("full start")
    world.crash("node1")
    world.fill_disk("node1", full=True)
    world.start("node1")
    world.run_for(1.0)
    assert not world.hosts["node1"].up
    world.fill_disk("node1", full=False)
    world.run_for(0.5)
    assert world.hosts["node1"].up


def test_a_slow_process_falls_behind_and_its_inbox_drops_the_oldest() -> None:
    world = running("slow")
    host = world.hosts["node1"]
    world.slow_down("node1", 0.5)
    for number in range(INBOX_FRAMES_MAX + 50):
        host.receive(number.to_bytes(8, "big"))
    assert host.waiting_frames == INBOX_FRAMES_MAX
    world.slow_down("node1", 0.0)
    world.run_for(5.0)
    assert host.waiting_frames == 0
    assert sees(world, "node2", "node1") == "alive"


def test_a_newcomer_under_a_new_key_learns_what_there_is() -> None:
    world = running("join")
    world.submit(OPERATOR, "why?", (0,), JobOptions(), "q1")
    world.run_for(2.0)
    world.join("node9")
    world.run_for(4.0)
    node = world.hosts["node9"].node
    assert node is not None
    assert sees(world, "node1", "node9") == "alive"
    assert [job.job.label for job in node.ledger.jobs.values()]


def test_a_host_with_an_old_backup_is_told_and_retires_its_key() -> None:
    world = running("backup")
    backup = world.hosts[OPERATOR].disk.backup()
    world.submit(OPERATOR, "why?", (0,), JobOptions(), "q1")
    world.run_for(2.0)
    world.restore(OPERATOR, backup)
    world.run_for(3.0)
    node = world.hosts[OPERATOR].node
    assert node is not None
    assert node.past.retired
