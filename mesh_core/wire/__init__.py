"""What travels: frames, messages and signed statements, with their limits."""
