"""Anomaly detectors behind one interface: each is fitted on background jets and returns one score per jet."""
