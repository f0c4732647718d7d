"""CPU kernels in C, compiled at first use.

A vector register holds one feature of 16 rows, so that layers of any width fill it.
"""
