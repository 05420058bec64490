"""Training: settings, data feeding, checkpoints, one process or many."""
