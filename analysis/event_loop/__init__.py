"""Event loops: the columns, cuts and results of a graph are booked first, then compiled and run."""
