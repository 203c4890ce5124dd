"""What any method must beat: BRISQUE, and a ridge on the frozen backbone.

The table of baselines is dpam/evaluation/baselines.py.
"""
