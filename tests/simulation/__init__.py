"""Seeded runs of the whole protocol under faults: `python -m tests.simulation --seeds N`."""
