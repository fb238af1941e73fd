"""Figures of the product, each with a target and the way it was measured."""
