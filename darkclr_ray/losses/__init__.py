"""Loss functions, one formula per file, each a function of tensors; none of them imports Ray."""
