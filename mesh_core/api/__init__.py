"""The control API of a participant: what it shows, what it can be told, and a client for it."""
