"""Benchmarks of each stage on a machine, against a reference implementation of the paper and the hardware's limits."""
