"""The Ray cluster that a study runs on, and how its resources are shared among trials."""
