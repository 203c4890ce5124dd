"""Photographs, prepared once for training: their preparation, the HDF5 file (`store`), network inputs."""
