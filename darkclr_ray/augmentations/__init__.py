"""What is done to jets before they are compared: one file a transformation, arrays in, arrays out (Sec. 3.2).

To add a transformation, add a file: a frozen dataclass with a decorator, as in :mod:`.rotation`. Its name can then be
used in the settings `views.anchor`, `views.positive` and `views.anomalous`.
"""
