"""Training of a network: settings, augmentation, losses, the loop."""
