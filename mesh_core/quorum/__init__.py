"""Committees, and what a quorum of one has signed: certificates that anyone can check with public keys alone."""
