"""Guidance: losses on embeddings (one file a paper), and which of them each kind of target uses."""

from domainvec.guidance.attributes import GROUPS, AttributeGroup, attribute_loss
from domainvec.guidance.augmentation import Augmentation
from domainvec.guidance.difa import token_loss
from domainvec.guidance.few_shot import (
    ADVERSARIAL,
    FACES_FEW_SHOT,
    FewShotGuidance,
    distance_consistency_loss,
)
from domainvec.guidance.hyperdomainnet import convex_hull, in_domain_angle_loss, target_target_direction_loss
from domainvec.guidance.image import FACES_IMAGE, MIND_THE_GAP, ImageGuidance
from domainvec.guidance.mindthegap import clip_across_loss, clip_within_loss, pixel_loss
from domainvec.guidance.nada import direction_loss, global_loss
from domainvec.guidance.orientation import orientation_loss
from domainvec.guidance.preservation import Preservation
from domainvec.guidance.text import FACES, PUBLISHED, Guidance, default_guidance

__all__ = [
    "ADVERSARIAL",
    "FACES",
    "FACES_FEW_SHOT",
    "FACES_IMAGE",
    "GROUPS",
    "MIND_THE_GAP",
    "PUBLISHED",
    "AttributeGroup",
    "Augmentation",
    "FewShotGuidance",
    "Guidance",
    "ImageGuidance",
    "Preservation",
    "attribute_loss",
    "clip_across_loss",
    "clip_within_loss",
    "convex_hull",
    "default_guidance",
    "direction_loss",
    "distance_consistency_loss",
    "global_loss",
    "in_domain_angle_loss",
    "orientation_loss",
    "pixel_loss",
    "target_target_direction_loss",
    "token_loss",
]
