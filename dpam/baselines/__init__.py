"""What any method must beat: BRISQUE, and a ridge on the frozen backbone."""
