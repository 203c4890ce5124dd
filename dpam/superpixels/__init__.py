"""Superpixels: image -> label map -> mean and covariance of each superpixel's colours."""
