"""Numbers from tables, nothing else: no MLflow, no files, no figures."""

from analysis.inference.class_mixed import ClassSlope, class_mixed_model
from analysis.inference.classes import ClassAssociation, class_association
from analysis.inference.meta import Meta, random_effects
from analysis.inference.partial import PartialCorrelation, partial_correlation
from analysis.inference.rank import Association, kendall_tau, spearman
from analysis.inference.shape import IsotonicFit, SegmentedFit, isotonic_fit, segmented_fit
from analysis.inference.slopes import Slope, Slopes, slopes

__all__ = [
    "Association",
    "ClassAssociation",
    "ClassSlope",
    "IsotonicFit",
    "Meta",
    "PartialCorrelation",
    "SegmentedFit",
    "Slope",
    "Slopes",
    "class_association",
    "class_mixed_model",
    "isotonic_fit",
    "kendall_tau",
    "partial_correlation",
    "random_effects",
    "segmented_fit",
    "slopes",
    "spearman",
]
