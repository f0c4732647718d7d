"""Training workers that stay alive from one job to the next, and the Ray cluster that they run on.

This room knows jobs, not what they are about: it would serve any study. Everything of Ray Train is here.
"""
