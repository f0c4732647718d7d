"""Import jets from files of other programs into checked shards: ``import_jets(files, out, ImportOptions(...))``.

One file a format: `hdf5_tables`, `hdf5_arrays` (NumPy's, too), `delphes`, `jetclass`, `columns` (Parquet, Arrow, ROOT),
`hepmc`, `lhe`; `detect_format` distinguishes them. Conventions are in `momenta`, how jets are selected in `select` and
`portions`, what happens to a reader that crashes in `processes`, and to a killed import in `staging`.
"""

from darkclr_ray.jets.importers.detect_format import FORMATS, detect_format
from darkclr_ray.jets.importers.importing import import_jets
from darkclr_ray.jets.importers.options import ImportOptions
from darkclr_ray.jets.importers.summary import Summary
from darkclr_ray.jets.importers.unselected import CannotImport

__all__ = ["FORMATS", "CannotImport", "ImportOptions", "Summary", "detect_format", "import_jets"]
