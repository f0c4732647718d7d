"""Torch modules of the encoder, the autoencoder and the classifier; none of them imports Ray."""
