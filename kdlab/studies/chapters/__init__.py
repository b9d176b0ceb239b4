"""The studies of the notebooks, a file a chapter."""
