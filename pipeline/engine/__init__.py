"""What runs a pipeline: one process here, a group of workers elsewhere. The step is the same."""
