"""RDataFrame pipelines: from files through selections and images to tables."""

__version__ = "0.1.0"
