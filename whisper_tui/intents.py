"""From a key to an action: who is meant, what would happen, are you sure, is it still so, do it, say so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from msgspec import Struct
from textual.app import App

from mesh_core.config import MICRO_PER_AXL
from whisper_tui.errors import UserError
from whisper_tui.model import selectors
from whisper_tui.model.access import against_asking
from whisper_tui.model.impact import describe, impact_of_silencing
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import Node
from whisper_tui.model.state import State
from whisper_tui.model.views.base import Role
from whisper_tui.screens.chaos import ChaosMenu
from whisper_tui.screens.confirm import ConfirmDialog, Question
from whisper_tui.screens.submit import Submission, SubmitDialog
from whisper_tui.supervisor.command_line import command_line
from whisper_tui.widgets.painting import Painter

Act = Callable[[], Awaitable[str]]
"""Does something and answers what is to be said about it."""


class Actions(Protocol):
    """What can be done to the mesh; `whisper_tui.actions` does it. All raise UserError with one line."""

    async def submit(self, text: str, max_price_micro: int | None = None) -> str:
        """Ask; answers the question's label."""
        ...

    async def cancel(self, job: str) -> object:
        """Ask that a job end as cancelled."""
        ...

    async def kill(self, names: Sequence[str]) -> object:
        """SIGKILL."""
        ...

    async def pause(self, names: Sequence[str]) -> object:
        """SIGSTOP."""
        ...

    async def revive(self, names: Sequence[str]) -> object:
        """Start again, or wake."""
        ...

    async def partition(self, a: Sequence[str], b: Sequence[str]) -> object:
        """Cut side b off; whoever is not named is on side a."""
        ...

    async def heal(self) -> object:
        """End the partition."""
        ...

    async def add(self) -> object:
        """One more provider."""
        ...


class Deed(Struct, frozen=True):
    """An action on nodes: its title, the command that does the same, whether its targets fall silent, for which
    nodes it makes sense, and what to do about the others."""

    title: str
    command: str
    silences: bool
    fits: Callable[[Node], bool]
    otherwise: str


DEEDS: Mapping[str, Deed] = {
    "kill": Deed(
        "Kill",
        "kill",
        True,
        lambda node: node.process not in ("killed", "exited", "stopped"),
        "X r revives it",
    ),
    "pause": Deed("Pause", "pause", True, lambda node: node.runs, "X r wakes or revives it"),
    "revive": Deed("Revive", "revive", False, lambda node: not node.runs, "it needs no revival"),
    "partition": Deed("Cut off", "partition", True, lambda node: node.runs, "X r revives it first"),
}


class Intents:
    """What the operator wants done. Targets are bound to peer ids when they are chosen, and looked at again
    before anything happens to them: a list that was sorted anew meanwhile changes nobody's fate."""

    def __init__(
        self,
        app: App[Any],
        actions: Actions,
        painter: Painter,
        *,
        state: Callable[[], State],
        say: Callable[[str, Role], None],
        typed: Callable[[str], str],
        monotonic: Callable[[], float],
    ) -> None:
        self._app = app
        self._actions = actions
        self._painter = painter
        self._state = state
        self._say = say
        self._typed = typed
        self._monotonic = monotonic

    def submit(self, text: str = "") -> None:
        """Ask the mesh something; `text` stands in the form already."""
        dialog = SubmitDialog(self._painter, self._monotonic, self._who_is_up, text)
        self._app.push_screen(dialog, self._submit)

    def _who_is_up(self) -> str:
        counts = selectors.node_counts(self._state())
        return f"{counts.up} of {counts.total} providers are up"

    def _submit(self, submission: Submission | None) -> None:
        if submission is None:
            return
        price = submission.max_price_micro
        max_price = None if price is None else f"{price / MICRO_PER_AXL:g}"
        command = self._command("submit", submission.text, max_price=max_price)

        async def ask() -> str:
            label = await self._actions.submit(submission.text, submission.max_price_micro)
            return f"asked as {label}, the same as:\n{command}"

        self._do(ask)

    def cancel(self, job: str) -> None:
        """End a job before it is settled."""
        entry = self._state().jobs.get(job)
        if entry is None:
            return
        command = self._command("cancel", entry.view.label)
        impact = "it ends as cancelled, unless its result is settled first; work that was done is not paid"
        title = f"Cancel {inert(entry.view.label, 40)}?"
        self._confirm(
            Question(title, impact, command), self._told(command, lambda: self._actions.cancel(job))
        )

    def disturb(self, peers: Sequence[str], acted: Callable[[], None], deed: str | None = None) -> None:
        """Choose what happens to these peers, or to the mesh, unless that is known; `acted` is called when it happens to them.

        Only to participants of this mesh: anybody may hold a lease or be a member, and call themselves what they like.
        """
        found = [selectors.node_of(self._state(), peer) for peer in peers]
        bound = {node.peer: node.name for node in found if node.seated}
        strangers = ", ".join(node.name for node in found if not node.seated)
        nobody = inert(f"{strangers}: not started from here", 120) if strangers else "no node was chosen"
        chosen = partial(self._disturb, bound, nobody, acted)
        if deed is not None:
            chosen(deed)
        else:
            self._app.push_screen(ChaosMenu(list(bound.values()), self._painter, self._monotonic), chosen)

    def _disturb(
        self, bound: Mapping[str, str], nobody: str, acted: Callable[[], None], deed: str | None
    ) -> None:
        if deed == "heal" and self._is_whole():
            self._say("there is no partition to heal", "warn")
        elif deed == "heal":
            question = Question("Heal the partition?", "all hear each other again", self._command("heal"))
            self._confirm(question, self._told(question.command, self._actions.heal))
        elif deed == "add":
            question = Question("Add a node?", "one more provider joins", self._command("add"))
            self._confirm(question, self._told(question.command, self._actions.add))
        elif deed is not None and not bound:
            self._say(f"{nobody}: go to one in the table of nodes, then X", "warn")
        elif deed is not None:
            self._ask(deed, bound, acted)

    def _is_whole(self) -> bool:
        """Whether there is no partition, as far as the operator's node can be asked."""
        state = self._state()
        return against_asking(state) is None and not selectors.cut_off(state)

    def _ask(self, name: str, bound: Mapping[str, str], acted: Callable[[], None]) -> None:
        if refusal := self._unfit(name, bound, ""):
            self._say("; ".join((refusal.message, refusal.hint)), "warn")
            return
        deed, names = DEEDS[name], list(bound.values())
        command = self._command(deed.command, *names)
        title = inert(f"{deed.title} {', '.join(names)}?")
        if deed.silences:
            impact = impact_of_silencing(self._state(), tuple(bound))
            typed = _phrase(names) if len(names) > 1 or impact.grave else ""
            question = Question(title, self._impact(name, bound), command, typed)
        else:
            question = Question(title, "the same keys and ledgers, a new start", command)
        self._confirm(
            question,
            partial(self._carry_out, name, bound, acted, command),
            partial(self._impact, name, bound) if deed.silences else None,
        )

    def _impact(self, name: str, bound: Mapping[str, str]) -> str:
        """What is lost, as things stand now, when the bound fall silent."""
        told = describe(impact_of_silencing(self._state(), tuple(bound)), list(bound.values()))
        if name == "partition" and (apart := selectors.cut_off(self._state())):
            told += f" · this takes the place of the partition of {' '.join(apart)}"
        return inert(told)

    async def _carry_out(
        self, name: str, bound: Mapping[str, str], acted: Callable[[], None], command: str
    ) -> str:
        """Do it to exactly those that were bound, if they are still who and how they were."""
        if refusal := self._unfit(name, bound, " now"):
            raise refusal
        acted()
        names = list(bound.values())
        if name == "kill":
            await self._actions.kill(names)
        elif name == "pause":
            await self._actions.pause(names)
        elif name == "revive":
            await self._actions.revive(names)
        else:
            await self._actions.partition((), names)
        return _done(command)

    def _unfit(self, name: str, bound: Mapping[str, str], since: str) -> UserError | None:
        """Why it cannot be done to those that were bound, None when it can; `since` is when that has come about."""
        for peer, called in bound.items():
            node = selectors.node_of(self._state(), peer)
            if node.name != called:
                return UserError(f"{called} is called {node.name}{since}: nothing was done", "choose again")
            if not DEEDS[name].fits(node):
                state = node.process or ("running" if node.runs else "not running")
                return UserError(f"{called} is {state}{since}: nothing was done", DEEDS[name].otherwise)
        return None

    def _command(self, action: str, *words: str, **flags: object) -> str:
        """The command line that does the same, as it works in the operator's shell."""
        return inert(self._typed(command_line(action, *words, **flags)))

    def _told(self, command: str, act: Callable[[], Awaitable[object]]) -> Act:
        async def done() -> str:
            await act()
            return _done(command)

        return done

    def _confirm(self, question: Question, act: Act, impact: Callable[[], str] | None = None) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self._do(act)

        self._app.push_screen(ConfirmDialog(question, self._painter, self._monotonic, impact), answered)

    def _do(self, act: Act) -> None:
        self._app.run_worker(self._act(act), group="actions", exit_on_error=False)

    async def _act(self, act: Act) -> None:
        try:
            self._say(await act(), "text")
        except UserError as error:
            self._say(self._typed("; ".join(filter(None, (error.message, error.hint)))), "warn")


def _done(command: str) -> str:
    return f"done, the same as:\n{command}"


def _phrase(names: Sequence[str]) -> str:
    """What must be typed before several nodes, or a quorum, are lost."""
    return names[0] if len(names) == 1 else f"{len(names)} nodes"
