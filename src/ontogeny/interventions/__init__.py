"""Causal edits of a network or of its input, one a file."""
