"""Kernels in Triton for a GPU and in C for a CPU, compiled at first use on the machine they run on."""
