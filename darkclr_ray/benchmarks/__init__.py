"""How fast each stage is on a machine, against the paper's recipe written plainly and the hardware's limits."""
