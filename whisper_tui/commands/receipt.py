"""`verify receipt FILE`: check a settled job's certificate offline, with nothing but public keys."""

from __future__ import annotations

from pathlib import Path

from axl import keys
from mesh_core.api.receipt import ReceiptError, ReceiptReport, verify_receipt
from whisper_tui.commands.output import axl, print_json, print_line
from whisper_tui.errors import ActionError, BadInput
from whisper_tui.model.inert import inert

RECEIPT_BYTES_MAX = 1 << 20


class _PublicKeys:
    """All the cryptography a check needs."""

    def verify(self, peer: bytes, data: bytes, signature: bytes) -> bool:
        return keys.verify(peer, data, signature)


def verify(path: Path, as_json: bool) -> None:
    """Print what the receipt proves; ActionError when it proves nothing."""
    try:
        with path.open("rb") as file:
            data = file.read(RECEIPT_BYTES_MAX + 1)
    except OSError as error:
        raise BadInput(f"receipt {path}: {error.strerror}") from error
    if len(data) > RECEIPT_BYTES_MAX:
        raise BadInput(f"receipt {path}: larger than {RECEIPT_BYTES_MAX} bytes")
    try:
        report = verify_receipt(_PublicKeys(), data)
    except ReceiptError as error:
        raise ActionError(f"receipt {path} proves nothing: {inert(error)}") from error
    if as_json:
        print_json(_hexed(report))
        return
    print_line(
        f"valid: job {inert(report.label)} on network {inert(report.network)} ended as {report.outcome}"
    )
    print_line(f"job        {report.job.hex()}")
    print_line(f"submitter  {report.submitter.hex()}")
    print_line(f"holder     {report.holder.hex()}, epoch {report.epoch}, price {axl(report.price_micro)} AXL")
    print_line(f"result     {report.result_hash.hex()}")
    print_line(f"votes      weight {report.weight}, {report.quorum} of {report.total_weight} needed, by")
    for voter in report.voters:
        print_line(f"           {voter.hex()}")


def _hexed(report: ReceiptReport) -> dict[str, object]:
    fields = {name: getattr(report, name) for name in report.__dataclass_fields__}
    return {
        name: value.hex()
        if isinstance(value, bytes)
        else [voter.hex() for voter in value]
        if name == "voters"
        else value
        for name, value in fields.items()
    }
