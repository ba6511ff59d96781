"""Figures: one function each, from results on disk alone (JSON, HDF5, CSV), in one style."""
