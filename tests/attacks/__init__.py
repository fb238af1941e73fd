"""Adversaries on real nodes: each attack of the protocol's threat model as a test against running processes."""
