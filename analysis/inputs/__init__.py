"""Input formats: each adapter gives an RDataFrame with the canonical columns."""
