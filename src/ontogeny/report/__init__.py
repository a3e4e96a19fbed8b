"""What people look at: figures, and the page of a run."""
