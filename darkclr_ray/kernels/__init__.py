"""Faster implementations of parts of `darkclr_ray.networks`: in C for a CPU, in Triton for a GPU.

They are compiled at first use on the machine they run on. `registry.use_kernels` lets networks use them.
"""
