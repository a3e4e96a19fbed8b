"""How a population is trained: objectives, optimizers, schedules and the loop."""
