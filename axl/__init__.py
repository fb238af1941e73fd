"""AXL: bytes between keys. An encrypted peer-to-peer node with a local HTTP bridge, and a client for it."""
