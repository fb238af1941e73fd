"""Screens: what is shown together, and the dialogs over it."""
