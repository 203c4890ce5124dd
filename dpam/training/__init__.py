"""Training of a network: batches, augmentation, losses, optimisers, the loop."""
