"""The compute market: membership, ledger, leases and auctions as a pure core, and the edges that run it."""
