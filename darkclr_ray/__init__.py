"""Does my anomaly detector find dark showers that nobody told it about?

The package reads in the order in which a jet travels: `jets`, `augmentations`, `streams`, `networks`, `losses`,
`langevin`, `training`, `detectors`, `evaluation`, `study`, `reports`; `settings` holds every number.
"""

__version__ = "0.2.0"
