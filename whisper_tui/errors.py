"""Errors an operator can act on: one line that says what is wrong and where, and a hint what to do."""

from __future__ import annotations


class UserError(Exception):
    """Base of everything the command line shows as one line. `exit_code` is the process's."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ActionError(UserError):
    """An action was refused or failed; nothing was changed unless the message says so."""


class BadInput(UserError):
    """A flag, file or setting cannot be used."""

    exit_code = 2


class MeshUnreachable(UserError):
    """The mesh could not start or be reached."""

    exit_code = 3


class TimedOut(UserError):
    """What was waited for did not happen in time."""

    exit_code = 4
