"""How networks are trained: plain torch state machines, the loop that runs them, the runner a detector is given."""
