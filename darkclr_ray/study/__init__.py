"""A study as a whole: its folder, the store of its stages, the workers that compute them, and the search."""
