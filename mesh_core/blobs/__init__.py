"""Payloads, results and snapshots: bytes named by their hash, off the ledger."""
