"""The run directory: where a mesh on this machine keeps its keys, stores, logs and who it is run by.

run.json          what the mesh consists of (`plan.Plan`)
token             bearer token of every control API, mode 0600
supervisor.json   pid and port of the running supervisor
lock              locked for as long as a supervisor lives
audit.jsonl       every action taken, and who took it
corpus/  logs/    search indexes; what the processes print
recordings/       what happened in each run, to be opened with `whisper-tui replay`
chain/            the local chain, and the key of the account that owns its names
registrar.json    what the registrar of names is started with; minted.json has names that were asked for beside providers'
<participant>/    key.pem, evm.key, node-config.json, provider.toml, store.db, provider.log, axl.log
submitters/       the same for participants that only submit
made-by-script    what is here was made by a script and may be deleted by the next one
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import string
from collections.abc import Iterator
from pathlib import Path

import msgspec

from whisper_tui import ownership
from whisper_tui.errors import BadInput, MeshUnreachable

TOKEN_BYTES = 32
BEING_WRITTEN = ".new"
"""Ends the name of a file that takes the place of another once it is whole."""

PROJECT_MARK = 'name = "whisper-mesh"'
INSTALLED_IN = Path(__file__).resolve().parents[2]
"""The checkout, when this program is installed from one and not copied."""


class SupervisorFile(msgspec.Struct, frozen=True):
    """Content of supervisor.json."""

    pid: int
    port: int
    started_ms: float


class ParticipantDir:
    """Files of one participant."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.key = root / "key.pem"
        self.account_key = root / "evm.key"
        self.node_config = root / "node-config.json"
        self.settings = root / "provider.toml"
        self.store = root / "store.db"
        self.log = root / "provider.log"
        self.axl_log = root / "axl.log"

    def check(self) -> None:
        """BadInput when somebody else could have put there what a participant is started with."""
        ownership.check(self.root)
        ownership.check(self.key, secret=True)
        ownership.check(self.account_key, secret=True)
        ownership.check(self.node_config)
        ownership.check(self.settings)


class RunDir:
    """One run directory; nothing is created before `make`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.plan = root / "run.json"
        self.token_file = root / "token"
        self.supervisor_file = root / "supervisor.json"
        self.lock_file = root / "lock"
        self.up_lock_file = root / "up.lock"
        self.action_log = root / "audit.jsonl"
        self.corpus = root / "corpus"
        self.logs = root / "logs"
        self.recordings = root / "recordings"
        self.chain = root / "chain"
        self.registrar = root / "registrar.json"
        self.minted = root / "minted.json"
        self.submitters = root / "submitters"
        self.script_mark = root / "made-by-script"

    def check(self) -> None:
        """BadInput when it is no directory, or others own it or can write into it. One that is not there is fine, and so
        is an own one with nothing in it: `make` closes it."""
        if self.root.exists() and not self.root.is_dir():
            raise BadInput(
                f"run directory {self.root}: is no folder", "choose another one with --run-dir DIR"
            )
        if self._is_own_and_empty():
            return
        ownership.check(self.root)

    def _is_own_and_empty(self) -> bool:
        try:
            return not ownership.owner(self.root.stat()) and not any(self.root.iterdir())
        except OSError:
            return False

    def make(self) -> None:
        """Create the directory, private to its owner; BadInput when that is impossible, when it is somebody's folder
        of other things, or not the user's own."""
        self.check()
        try:
            if self._is_own_and_empty():
                self.root.chmod(0o700)
            self._refuse_strange_files()
            for folder in (self.root, self.corpus, self.logs, self.submitters):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                ownership.check(folder)
        except OSError as error:
            raise BadInput(
                f"run directory {self.root}: {error.strerror}", "choose another one with --run-dir DIR"
            ) from error

    def _refuse_strange_files(self) -> None:
        if not self.root.is_dir() or self.plan.exists():
            return
        ours = {path.name for path in vars(self).values()}
        strange = sorted(
            path.name
            for path in self.root.iterdir()
            if path.name.removesuffix(BEING_WRITTEN) not in ours and not ParticipantDir(path).key.exists()
        )
        if strange:
            raise BadInput(
                f"run directory {self.root}: it has other files in it, such as {strange[0]}",
                "name a new or empty folder with --run-dir DIR",
            )

    def participant(self, name: str) -> ParticipantDir:
        """Where the participant called `name` keeps its files."""
        return ParticipantDir(self.root / name)

    def submitter(self, name: str) -> ParticipantDir:
        """Where a participant that only submits keeps its files."""
        return ParticipantDir(self.submitters / name)

    def ensure_token(self) -> str:
        """The token, made when missing."""
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(self.token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(TOKEN_BYTES) + "\n")
        return self.token()

    def token(self) -> str:
        """The token of a mesh that exists; BadInput when it is missing or malformed."""
        try:
            token = ownership.read(self.token_file, secret=True).decode().strip()
        except OSError as error:
            raise BadInput(
                f"token {self.token_file}: {error.strerror}", "is this the right --run-dir?"
            ) from error
        except UnicodeDecodeError:
            token = ""
        if len(token) != 2 * TOKEN_BYTES or not set(token) <= set(string.hexdigits):
            raise BadInput(
                f"token {self.token_file}: expected {2 * TOKEN_BYTES} hex characters",
                "delete it and run `whisper-tui up` again: a new one is made",
            )
        return token

    def running(self) -> SupervisorFile | None:
        """The supervisor that runs this directory now; None also for one that has crashed.

        Decided by the lock, which the kernel drops with its process: a recorded pid may be another's by now.
        """
        if not self.lock_file.exists():
            return None
        with contextlib.suppress(Locked), lock(self.lock_file, shared=True):
            return None
        try:
            return msgspec.json.decode(ownership.read(self.supervisor_file), type=SupervisorFile)
        except FileNotFoundError:
            return None  # it has just been started or is about to end
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise MeshUnreachable(
                f"{self.supervisor_file} cannot be read: {error}",
                "a supervisor runs here, but its port is unknown: end it by its pid, its children follow",
            ) from error

    def nobody(self) -> MeshUnreachable:
        """The error that says that no mesh runs here."""
        return MeshUnreachable(
            f"no mesh runs in {self.root}", "start one with `whisper-tui up`; a mesh elsewhere: --run-dir DIR"
        )


class Locked(Exception):
    """Somebody else holds the lock."""


@contextlib.contextmanager
def lock(path: Path, *, wait: bool = False, shared: bool = False) -> Iterator[None]:
    """Hold a lock on `path` (made when missing) until the block ends or the process dies.

    Shared locks go together and exclude exclusive ones. Without `wait`, Locked is raised when it is taken.
    """
    with path.open("ab") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise Locked(str(path)) from error
        yield


def lock_for_good(path: Path) -> None:
    """Take the lock on `path`, once whoever has it is gone, and keep it until this process has ended: nobody closes the
    descriptor but the kernel."""
    fcntl.flock(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), fcntl.LOCK_EX)


def find(flag: Path | None) -> RunDir:
    """The run directory: `flag`, else `.whisper` of the checkout around here, else of the one this program is
    installed from if it has been used there, else the user's state folder. BadInput when it is not the user's own:
    anybody can put one into a folder above."""
    run = _found(flag)
    run.check()
    return run


def _found(flag: Path | None) -> RunDir:
    if flag is not None:
        return RunDir(flag.expanduser().absolute())
    here = Path.cwd()
    for folder in (here, *here.parents):
        if _is_checkout(folder):
            return RunDir(folder / ".whisper")
    own = INSTALLED_IN / ".whisper"
    if own.is_dir() and _is_checkout(INSTALLED_IN):
        return RunDir(own)
    state = os.environ.get("XDG_STATE_HOME", "")
    return RunDir((Path(state) if state else Path.home() / ".local" / "state") / "whisper")


def _is_checkout(folder: Path) -> bool:
    try:
        return PROJECT_MARK in (folder / "pyproject.toml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
