"""Measuring what an adaptation reached, one file a metric."""

from domainvec.evaluation.judge import Judge

__all__ = ["Judge"]
