"""Sealed payloads and the shares of their keys."""
