"""Training of a network: augmentation, losses, optimisers, the loop."""
