"""Generate jets: samples, Pythia events, the detector response and systematic variations."""
