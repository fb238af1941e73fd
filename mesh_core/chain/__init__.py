"""Names on a real chain: the contracts, a local chain to run them on, and the client that uses either that or a public one."""
