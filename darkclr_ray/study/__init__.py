"""A study as a whole: its folder, its jobs, the search, and what a person sees of it."""
