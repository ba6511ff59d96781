"""Steps on an RDataFrame shared by all selections: definitions, cuts, yields, scores."""
