"""Skims: chosen columns of the events of a region, one file per sample."""
