"""What ships as data: the embedded model and its card."""
