"""Section on the training of an encoder and an autoencoder, and on the diagnostics of their Langevin chains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from darkclr_ray.reports.figures import training
from darkclr_ray.reports.page import Figure, Section
from darkclr_ray.reports.reader import Study
from darkclr_ray.reports.tables import Table
from darkclr_ray.study.diagnostics import kept_epoch, warnings_in

History = Sequence[Mapping[str, Any]]


def section(study: Study, stages: Mapping[str, str], whose: str, ending: Markup) -> Section:
    """Return the section with training curves and a paragraph of diagnostics; a missing history is left out.

    Args:
        study: study that contains the stages.
        stages: hashes of the stages of the encoder and the autoencoder by kind.
        whose: owner of the networks in the text, such as "the best trial".
        ending: end of the captions.
    """
    encoder, energy = study.history(stages, "representation"), study.history(stages, "energy")
    last = kept_epoch("energy", energy)
    kept = None if last.get("energy_difference") is None else last
    blocks: list[str | Figure | Table] = [health(encoder, energy, kept)]
    if encoder:
        caption = Markup(
            "Training of the encoder of {}: loss (Eq. 3 and the penalty on the norm), cosine similarities of "
            "the views to the anchor, and mean norm of the background’s representations. {}"
        ).format(whose, ending)
        blocks.append(Figure("encoder_training", training.encoder_training(encoder), caption, _plain(encoder)))
    if energy:
        caption = Markup(
            "Training of the normalised autoencoder of {}: energies (squared error per dimension) of data and "
            "of the ends of the chains, their difference, the chains’ displacement in units of the data’s spread, and "
            "the mean Metropolis–Hastings acceptance of their last step. Grey: pre-training by reconstruction; "
            "dotted: the epoch that was kept; crosses: warnings. {}"
        ).format(whose, ending)
        figure = training.energy_training(energy, kept["epoch"] if kept else None)
        blocks.append(Figure("energy_training", figure, caption, _plain(energy)))
    return Section("training", f"Training of {whose}, and the health of its chains", blocks)


def health(encoder: History, energy: History, kept: Mapping[str, Any] | None) -> Markup:
    """Return a paragraph on the kept epoch, the displacement of the chains, and the warnings of the training."""
    if kept is None:
        text = Markup("No epoch of contrastive divergence was recorded: the energy is that of a plain autoencoder.")
    else:
        text = Markup(
            "Kept: epoch {} with an energy difference of {:.2g} at an energy of {:.3g}. Its chains moved by {:.2g} of "
            "the data’s spread; σ²/(2λ) is {:.2g}; {:,} chains of all epochs were not finite."
        ).format(
            kept["epoch"],
            kept["energy_difference"],
            kept["energy_data"],
            kept["displacement"],
            kept["sigma2_over_2lambda"],
            sum(line.get("nonfinite") or 0 for line in energy),
        )
    told = [warnings_in(kind, history) for kind, history in (("representation", encoder), ("energy", energy))]
    warnings = [warning for warning in told if warning is not None]
    if not warnings:
        return text + Markup(" No epoch gave a warning.")
    return text + Markup(' <strong class="alert">{}.</strong>').format(". ".join(warnings))


def _plain(history: History) -> list[dict[str, Any]]:
    """Return the records without lists and dictionaries, for the CSV."""
    return [{key: value for key, value in line.items() if not isinstance(value, list | dict)} for line in history]
