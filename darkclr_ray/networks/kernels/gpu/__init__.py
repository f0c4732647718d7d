"""In Triton; whatever imports these modules asks `available.has_kernels` first."""
