"""Import your own jets: `python studies/import_jets.py qcd_constit.h5 --sample qcd --out jets`.

The format of a file is detected; an error message names each option that its content leaves open. The command
`python studies/embedding_scan.py --jets jets` then runs a study on the shards, provided that they contain the
background (`--sample qcd`) for training and at least one signal for validation and test:

    python studies/import_jets.py qcd_constit.h5 --sample qcd --out jets
    python studies/import_jets.py aachen_constit.h5 --sample aachen --split validation=0.5,test=0.5 --out jets

A file with both samples, separated by its label, in a different pT window:

    python studies/import_jets.py train.h5 --labels 0=qcd,1=top --pt-min 550 --pt-max 650 --out tops
"""

from darkclr_ray.cli.import_jets import main
from darkclr_ray.cli.program import run_script

if __name__ == "__main__":
    run_script(main)
