"""How good predictions are: measures, intervals, tests, tables."""
