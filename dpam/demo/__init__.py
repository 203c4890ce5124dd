"""The demonstration: pseudo-labelled photographs made here."""
