"""Scores of photographs by a trained network."""
