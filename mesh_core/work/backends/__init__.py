"""Models and search behind one interface."""
