"""The real supervisor process, with stand-ins in place of AXL nodes and mesh processes."""

import sys
from pathlib import Path

from whisper_tui.supervisor import __main__ as supervisor
from whisper_tui.supervisor import participant
from whisper_tui.supervisor.child import Command

STAND_IN = Path(__file__).with_name("stand_in.py")


def put_stand_ins(setattr=setattr):
    """Replace the programs participants consist of."""

    def axl(program, seat, files):
        argv = (
            [program, str(seat.axl_port)] if program else [sys.executable, str(STAND_IN), str(seat.axl_port)]
        )
        return Command(argv, files.root, files.axl_log, foreign=bool(program))

    def provider(files, logs):
        port = next(
            line.split(" = ")[1]
            for line in files.settings.read_text().splitlines()
            if line.startswith("control_port")
        )
        mode = files.root / "mode"
        modes = [mode.read_text()] if mode.exists() else []
        return Command(
            [sys.executable, str(STAND_IN), port, *modes], files.root, logs / f"{files.root.name}.out"
        )

    setattr(participant, "axl_command", axl)
    setattr(participant, "provider_command", provider)


if __name__ == "__main__":
    put_stand_ins()
    sys.exit(supervisor.main())
