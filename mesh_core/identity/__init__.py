"""Who says what: keys, signed statements, proofs of equivocation."""
