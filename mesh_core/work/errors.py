"""What can go wrong when work is done, each as one line a person can act on."""

from __future__ import annotations


class WorkError(Exception):
    """A job cannot be executed here; the message is the reason, in one line."""


class CorpusError(WorkError):
    """A corpus or its index is missing, empty, too large or damaged."""


class ResultError(WorkError):
    """Bytes that should be an encoded result are not, or exceed its limits."""


class BackendError(Exception):
    """A backend failed or is not there; the next one takes over."""


class PromptTooLongError(BackendError):
    """A prompt does not fit into the backend's context: a shorter one may."""
