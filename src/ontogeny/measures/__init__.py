"""Measures of a checkpoint or of a picture of it, one idea a file."""
