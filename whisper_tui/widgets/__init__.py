"""Widgets that draw view models line by line, and redraw only the cells that changed."""
