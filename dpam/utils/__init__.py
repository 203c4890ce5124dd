"""Files, processes, progress: what every room needs."""
