"""Kernels of our own for a GPU, in Triton; whatever imports them asks `available.has_kernels` first."""
