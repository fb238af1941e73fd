"""The terminal's edge: what is sent to it, when, and in as few bytes as say it."""
