"""A chain of this machine's own: an EVM behind JSON-RPC, on which ENS is from the first block."""
