"""View models: what is drawn, as plain values. Made from a state, compared to what was drawn before."""
