"""Images by optimisation: pre-images of a network's features, and what its units and classes look for."""
