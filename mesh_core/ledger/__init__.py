"""Signed per-author chains, their replication, and the state they fold to."""
