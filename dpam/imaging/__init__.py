"""Photographs as pixels: reading, colours, filters, crops, distortions."""
