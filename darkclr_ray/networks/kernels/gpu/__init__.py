"""GPU kernels in Triton; importers of these modules must check `available.has_kernels` first."""
