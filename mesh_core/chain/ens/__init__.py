"""Names: who is called what on a chain, and whether the peer and the name's owner are one. A directory, never a membership list."""
