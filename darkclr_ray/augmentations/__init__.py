"""Transformations of jets that make the views of contrastive learning, one per file (Sec. 3.2).

To add a transformation, add a file: a frozen dataclass with a decorator, as in :mod:`.rotation`. Its name can then be
used in the settings `views.anchor`, `views.positive` and `views.anomalous`.
"""
