"""A deterministic world in which the same core runs under faults, and checkers that watch it."""
