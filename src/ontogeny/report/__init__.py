"""What people look at: figures as values, their renderers, and the page of a run."""
