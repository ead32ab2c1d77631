from .clips import mask_box, mini_clips
from .deformation import deform_mask, deformation_steps
from .loop import read_log, read_logs, train
from .losses import joint_loss
from .propagation_samples import PropagationBatches, cut_window
from .recomposition import recompose
from .stages import DRIFTED, STAGES, STILLS, VIDEO, Mixture, Plan

__all__ = [
    "DRIFTED",
    "STAGES",
    "STILLS",
    "VIDEO",
    "Mixture",
    "Plan",
    "PropagationBatches",
    "cut_window",
    "deform_mask",
    "deformation_steps",
    "joint_loss",
    "mask_box",
    "mini_clips",
    "read_log",
    "read_logs",
    "recompose",
    "train",
]
