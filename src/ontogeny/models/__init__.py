"""Architectures, built as populations of stacked modules."""
