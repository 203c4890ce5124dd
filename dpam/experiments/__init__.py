"""What is to be run: the configuration, the table of runs, their cost, what makes one run again."""
