"""Other people's files -> jets, in the same checked shards as our own: ``import_jets(files, out, ImportOptions(...))``.

One file a format: `hdf5_tables`, `hdf5_arrays`, `delphes`, `jetclass`, `columns` (Parquet, Arrow, ROOT), `hepmc`,
`lhe`; `recognise` tells them apart. Conventions are in `momenta`, what becomes of a jet in `convert`, what happens to
a killed import in `staging`.
"""

from darkclr_ray.jets.imports.importing import import_jets
from darkclr_ray.jets.imports.options import ImportOptions
from darkclr_ray.jets.imports.raw import CannotImport
from darkclr_ray.jets.imports.recognise import FORMATS, recognise
from darkclr_ray.jets.imports.summary import Summary

__all__ = ["FORMATS", "CannotImport", "ImportOptions", "Summary", "import_jets", "recognise"]
