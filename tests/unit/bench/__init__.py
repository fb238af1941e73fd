"""The benches' own parts."""
