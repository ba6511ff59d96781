"""Layouts of the files that rooms share. Needs neither ROOT nor `analysis`."""
