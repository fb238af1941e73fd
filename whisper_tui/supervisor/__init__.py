"""Starts, stops, kills, pauses and revives participants, in a process of its own that outlives the terminal."""
