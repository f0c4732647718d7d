"""The tiny study, for clusters, too."""

from ..study.conftest import jet_folder, tiny_options  # noqa: F401
