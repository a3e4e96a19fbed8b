"""Executors: who takes the cohorts of a run to their end."""
