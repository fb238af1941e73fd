"""The edges: disk, clock, keys, AXL, and the loop that steps the core."""
