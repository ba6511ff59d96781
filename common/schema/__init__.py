"""Layouts of the files that several packages read or write. Needs neither ROOT nor `analysis`."""
