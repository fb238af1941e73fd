"""What a mesh told, kept: written by a process of its own, opened again as if it happened now."""
