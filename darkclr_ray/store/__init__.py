"""Store of computed stages: each is filed under the hash of all inputs that determine it, and committed atomically."""
