"""Experiment trackers: what a study's folder holds of each trial, written with the libraries' own clients."""
