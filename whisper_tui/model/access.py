"""What can be done to the mesh now; where something cannot: why, and what to type."""

from __future__ import annotations

from msgspec import Struct

from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import name_of
from whisper_tui.model.state import DOWN, SUPERVISOR, Source, State


class Hindrance(Struct, frozen=True):
    """Why something cannot be done, what would help, and the command line for that if there is one."""

    why: str
    remedy: str
    command: str = ""

    @property
    def told(self) -> str:
        """All of it; the command line stands by itself where there is not room for everything in one."""
        return f"{self.why}; {self.remedy}:\n{self.command}" if self.command else f"{self.why}; {self.remedy}"


STOPPED = Hindrance("the mesh was stopped", "to start it again", "whisper-tui up")
DESERTED = Hindrance("the mesh does not answer", "to see whether it runs", "whisper-tui nodes")

UNSUPERVISED = Hindrance(
    "a control API has no supervisor behind it",
    "nodes are killed and revived on the machine that the mesh runs on",
)


def interrupted(state: State) -> Source | None:
    """The stream whose interruption makes the picture old: the operator's node's, or the supervisor's."""
    for source in state.sources.values():
        if source.state != "live" and (_is_operators(state, source) or source.node == SUPERVISOR):
            return source
    return None


def _is_operators(state: State, source: Source) -> bool:
    return source.peer == state.primary if state.primary else source.node == "operator"


def against_disturbing(state: State) -> Hindrance | None:
    """What stands against killing, reviving, partitioning: that is the supervisor's to do."""
    if state.stopped:
        return STOPPED
    if not state.supervised:
        return UNSUPERVISED
    return _deserted(state)


def _deserted(state: State) -> Hindrance | None:
    supervisor = state.sources.get(SUPERVISOR)
    return DESERTED if supervisor is not None and supervisor.state != "live" else None


def against_asking(state: State) -> Hindrance | None:
    """What stands against asking a question or cancelling a job: both need the operator's own node."""
    if state.stopped:
        return STOPPED
    source = interrupted(state)
    if source is None:
        return _does_not_ask(state)
    if _deserted(state) is not None:
        return DESERTED
    name = name_of(state, state.primary) if state.primary else source.node
    process = state.processes.get((name, "provider"))
    if process is not None and process.state in DOWN:
        return Hindrance(f"{name} is {process.state}", "to bring it back", f"whisper-tui revive {name}")
    reason = f" ({source.reason})" if source.reason else ""
    if not state.supervised:
        return Hindrance(
            f"{name} does not answer{reason}",
            "it is asked again and again",
        )
    return Hindrance(f"{name} does not answer{reason}", "to see what is wrong", "whisper-tui doctor")


def _does_not_ask(state: State) -> Hindrance | None:
    """A provider's control API is for looking: whoever asks pays, and answers for the question."""
    own = state.observers.get(state.primary)
    if state.supervised or own is None or own.node is None or own.node.role != "provider":
        return None
    return Hindrance(
        f"{inert(own.node.name, 40)} is a provider, it asks nothing",
        "the operator's control API takes questions",
    )


def out_of_order(state: State) -> Hindrance | None:
    """What stands against acting and is not meant to be so: worth saying although nobody has asked."""
    found = against_asking(state) if interrupted(state) is not None or state.stopped else None
    return found or (against_disturbing(state) if state.supervised else None)


def withheld(state: State) -> frozenset[str]:
    """Keys (by id) that would do nothing now."""
    asking = {"submit"} if against_asking(state) else set()
    disturbing = {"chaos"} if against_disturbing(state) else set()
    return frozenset(asking | disturbing)
