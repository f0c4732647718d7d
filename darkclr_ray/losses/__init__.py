"""Losses, one formula a file, each a function of tensors. No Ray."""
