"""Checkpoints: what old records come to, who says so, and how it takes their place."""
