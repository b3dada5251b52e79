"""Evaluation of adapted domains: metrics, one per file, and functions that compute all of them."""

from domainvec.evaluation.accuracy import DomainAccuracy, domain_accuracy
from domainvec.evaluation.attack import pgd_attack
from domainvec.evaluation.diversity import diversity, mean_pairwise_distance
from domainvec.evaluation.estimate import Estimate, bootstrap
from domainvec.evaluation.false_attributes import FalseAttributes, answer_kept, false_attributes
from domainvec.evaluation.frechet import frechet_distance
from domainvec.evaluation.identity import Identity, identity
from domainvec.evaluation.judge import Judge
from domainvec.evaluation.kernel import kernel_distance
from domainvec.evaluation.matched_filter import MatchedReading, matched_reading
from domainvec.evaluation.measurement import Candidate, measure_domains
from domainvec.evaluation.metrics import DomainMetrics, Evaluation
from domainvec.evaluation.page import render_page
from domainvec.evaluation.pairing import nearest_neighbor_accuracy, paired_distance
from domainvec.evaluation.precision_recall import PrecisionRecall, precision_recall
from domainvec.evaluation.quality import embedding_diversity, text_quality
from domainvec.evaluation.renderings import FacePairs, face_attributes, find_pairs, render_faces
from domainvec.evaluation.report import DomainReport, evaluate_domain
from domainvec.evaluation.sampling import Sampling
from domainvec.evaluation.wasserstein import color_distance, edge_distance, sliced_wasserstein_distance
from domainvec.evaluation.zero_shot import ZeroShotClassifier
from domainvec.picture_files import PictureFolder

__all__ = [
    "Candidate",
    "DomainAccuracy",
    "DomainMetrics",
    "DomainReport",
    "Estimate",
    "Evaluation",
    "FacePairs",
    "FalseAttributes",
    "Identity",
    "Judge",
    "MatchedReading",
    "PictureFolder",
    "PrecisionRecall",
    "Sampling",
    "ZeroShotClassifier",
    "answer_kept",
    "bootstrap",
    "color_distance",
    "diversity",
    "domain_accuracy",
    "edge_distance",
    "embedding_diversity",
    "evaluate_domain",
    "face_attributes",
    "false_attributes",
    "find_pairs",
    "frechet_distance",
    "identity",
    "kernel_distance",
    "matched_reading",
    "mean_pairwise_distance",
    "measure_domains",
    "nearest_neighbor_accuracy",
    "paired_distance",
    "pgd_attack",
    "precision_recall",
    "render_faces",
    "render_page",
    "sliced_wasserstein_distance",
    "spread",
    "text_quality",
]
