"""Measuring what an adaptation reached, one file a metric; `evaluate_domain` takes them all."""

from domainvec.evaluation.accuracy import DomainAccuracy, domain_accuracy
from domainvec.evaluation.attack import fool
from domainvec.evaluation.diversity import diversity, spread
from domainvec.evaluation.estimate import Estimate, bootstrap
from domainvec.evaluation.figures import DomainFigures, Evaluation
from domainvec.evaluation.frechet import frechet_distance
from domainvec.evaluation.identity import Identity, identity
from domainvec.evaluation.inversion import invert
from domainvec.evaluation.judge import Judge
from domainvec.evaluation.kernel import kernel_distance
from domainvec.evaluation.measuring import Candidate, measure_domains
from domainvec.evaluation.page import render_page
from domainvec.evaluation.pairing import own_truth_nearest, paired_distance
from domainvec.evaluation.precision_recall import PrecisionRecall, precision_recall
from domainvec.evaluation.quality import embedding_diversity, text_quality
from domainvec.evaluation.report import DomainReport, evaluate_domain
from domainvec.evaluation.truth import FacePairs, pairs_for, true_drawings
from domainvec.evaluation.wasserstein import color_distance, edge_distance, sliced_wasserstein_distance
from domainvec.evaluation.zero_shot import ZeroShot
from domainvec.picture_files import PictureFolder

__all__ = [
    "Candidate",
    "DomainAccuracy",
    "DomainFigures",
    "DomainReport",
    "Estimate",
    "Evaluation",
    "FacePairs",
    "Identity",
    "Judge",
    "PictureFolder",
    "PrecisionRecall",
    "ZeroShot",
    "bootstrap",
    "color_distance",
    "diversity",
    "domain_accuracy",
    "edge_distance",
    "embedding_diversity",
    "evaluate_domain",
    "fool",
    "frechet_distance",
    "identity",
    "invert",
    "kernel_distance",
    "measure_domains",
    "own_truth_nearest",
    "paired_distance",
    "pairs_for",
    "precision_recall",
    "render_page",
    "sliced_wasserstein_distance",
    "spread",
    "text_quality",
    "true_drawings",
]
