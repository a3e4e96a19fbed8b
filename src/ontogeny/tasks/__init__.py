"""Data-generating processes with known ground truth, one a file."""
