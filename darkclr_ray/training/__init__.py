"""Trainings of the networks as state machines, the loop that runs them, and the trainer that detectors use."""
