"""Torch modules: the encoder, the autoencoder and the classifier. No Ray."""
