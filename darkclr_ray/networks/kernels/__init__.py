"""Kernels of our own for a GPU, in Triton, and for a CPU, in C: both are compiled where they run, at first use."""
