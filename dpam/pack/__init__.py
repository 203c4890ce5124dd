"""Photographs, prepared once for training: preparation, the HDF5 file (`store`), network inputs."""
