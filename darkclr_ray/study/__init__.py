"""A study as a whole: its folder, its jobs, the search, and its display on the screen."""
