"""The actions on a mesh of which only one control API is known: work can be asked for there, processes are out of reach."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec

from mesh_core.api.client import ControlClient, ControlError, ControlUnavailable
from whisper_tui.actions import action_log
from whisper_tui.actions.actions import Submission
from whisper_tui.actions.terms import Terms
from whisper_tui.errors import ActionError, MeshUnreachable, UserError
from whisper_tui.model.access import UNSUPERVISED
from whisper_tui.supervisor.command_line import command_line

T = TypeVar("T")
A = TypeVar("A", bound=msgspec.Struct)


class _Cancelled(msgspec.Struct):
    """What a control API answers to `cancel`."""

    job: str


class RemoteActions:
    """Acts through one control API. Every method raises ActionError with one line when it is refused, MeshUnreachable when
    nobody answers; each is written down in `log`, whatever came of it. `typed` adds to a command line which API is meant."""

    def __init__(self, control: ControlClient, log: Path, by: str, typed: Callable[[str], str]) -> None:
        self._control = control
        self._log = log
        self._by = by
        self._typed = typed

    async def submit(self, text: str, max_price_micro: int | None = None) -> str:
        """Ask a question in the name of whoever serves the API; returns its label."""
        return (await self.ask(text, Terms(max_price_micro=max_price_micro))).label

    async def ask(self, text: str, terms: Terms) -> Submission:
        """The same under other terms. `accepted` means durable at a quorum of its committees."""

        async def ask() -> Submission:
            return await self._command(Submission, "submit", text=text, **terms.args())

        return await self._logged("submit", {"text": text, **terms.args()}, [text], terms.flags(), ask)

    async def cancel(self, job: str) -> str:
        """Ask that one of its jobs end as cancelled; returns its id."""

        async def end() -> str:
            return (await self._command(_Cancelled, "cancel", job=job)).job

        return await self._logged("cancel", {"job": job}, [job], {}, end)

    async def kill(self, names: Sequence[str]) -> object:
        """Refused: there is no supervisor."""
        return await self._refused("kill", names)

    async def pause(self, names: Sequence[str]) -> object:
        """Refused: there is no supervisor."""
        return await self._refused("pause", names)

    async def revive(self, names: Sequence[str]) -> object:
        """Refused: there is no supervisor."""
        return await self._refused("revive", names)

    async def partition(self, a: Sequence[str], b: Sequence[str]) -> object:
        """Refused: there is no supervisor."""
        return await self._refused("partition", [*a, *b])

    async def heal(self) -> object:
        """Refused: there is no supervisor."""
        return await self._refused("heal", ())

    async def add(self) -> object:
        """Refused: there is no supervisor."""
        return await self._refused("add", ())

    async def _refused(self, action: str, names: Sequence[str]) -> NoReturn:
        async def refuse() -> NoReturn:
            raise ActionError(f"{UNSUPERVISED.why}: nothing was done", UNSUPERVISED.remedy)

        await self._logged(action, {"names": list(names)}, names, {}, refuse)
        raise AssertionError("refused above")

    async def _command(self, type: type[A], name: str, **args: object) -> A:
        try:
            return msgspec.convert(await self._control.command(name, **args), type)
        except msgspec.ValidationError as error:
            raise MeshUnreachable(
                f"{self._control.url} gives an answer that cannot be read: {error}"
            ) from error
        except ControlError as error:
            raise ActionError(str(error)) from error
        except ControlUnavailable as error:
            raise MeshUnreachable(str(error)) from error

    async def _logged(
        self,
        action: str,
        args: dict[str, object],
        words: Sequence[str],
        flags: dict[str, str],
        work: Callable[[], Awaitable[T]],
    ) -> T:
        command = self._typed(command_line(action, *words, **flags))
        try:
            result = await work()
        except UserError as error:
            self._write_down(action, args, command, error.message)
            raise
        self._write_down(action, args, command, "done")
        return result

    def _write_down(self, action: str, args: dict[str, object], command: str, outcome: str) -> None:
        with suppress(OSError):  # a full disk keeps nobody from acting
            self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            action_log.append(self._log, self._by, action, args, command, outcome)
