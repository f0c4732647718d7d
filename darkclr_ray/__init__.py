"""Train and evaluate anomaly detectors for dark showers (DarkCLR, SciPost Phys. 18, 042) in studies on Ray.

The packages in the order in which jets are processed are `jets`, `augmentations`, `streams`, `networks`, `losses`,
`langevin`, `training`, `detectors`, `evaluation`, `study` and `reports`; `settings` defines all parameters.
"""

__version__ = "0.2.0"
