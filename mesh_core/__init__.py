"""The compute market: membership, ledger, leases and auctions as a pure core, and the edges that run it."""

__version__ = "0.1.0"
