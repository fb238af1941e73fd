"""What the operator knows: events in, one immutable state out. Imports neither Textual nor sockets."""
