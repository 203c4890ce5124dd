"""Photographs as pixels: reading, colours, resizing, filters, crops, distortions, hashes."""
