"""Queries, auctions, and the desk where jobs are taken in."""
