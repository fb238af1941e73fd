"""Documentation whose tables are printed from the code."""
