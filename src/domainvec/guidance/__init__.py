"""Guidance: losses on embeddings (one file a paper), what makes small encoders guide well, and their sum."""

from domainvec.guidance.difa import token_loss
from domainvec.guidance.hyperdomainnet import convex_hull, in_domain_angle_loss, target_target_direction_loss
from domainvec.guidance.image import FACES_IMAGE, MIND_THE_GAP, ImageGuidance, ImageObjective
from domainvec.guidance.mindthegap import clip_across_loss, clip_within_loss, pixel_loss
from domainvec.guidance.nada import direction_loss, global_loss
from domainvec.guidance.objective import Objective, default_guidance
from domainvec.guidance.robust import Augmentation
from domainvec.guidance.settings import FACES, PUBLISHED, Guidance
from domainvec.guidance.viewing import Seen, Viewer

__all__ = [
    "FACES",
    "FACES_IMAGE",
    "MIND_THE_GAP",
    "PUBLISHED",
    "Augmentation",
    "Guidance",
    "ImageGuidance",
    "ImageObjective",
    "Objective",
    "Seen",
    "Viewer",
    "clip_across_loss",
    "clip_within_loss",
    "convex_hull",
    "default_guidance",
    "direction_loss",
    "global_loss",
    "in_domain_angle_loss",
    "pixel_loss",
    "target_target_direction_loss",
    "token_loss",
]
