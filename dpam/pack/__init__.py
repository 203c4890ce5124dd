"""Photographs, prepared once for training: their preparation, the HDF5 file, batches from it."""
