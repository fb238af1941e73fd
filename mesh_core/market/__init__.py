"""Queries, auctions, succession and money."""
