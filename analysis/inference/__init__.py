"""Statistics on tables, nothing else: no MLflow, no files, no figures."""

from analysis.inference.class_mixed import ClassSlope, class_mixed_model
from analysis.inference.classes import ClassAssociation, class_association
from analysis.inference.conditional import ConditionalInformation, conditional_mutual_information
from analysis.inference.decomposition import Decomposition, OnPaths, decompose
from analysis.inference.granulated import Granulated, granulated_kendall
from analysis.inference.meta import Meta, fisher_interval, random_effects
from analysis.inference.partial import PartialCorrelation, partial_correlation
from analysis.inference.rank import Association, kendall_tau, permutation_p, spearman
from analysis.inference.resampling import cluster_bootstrap
from analysis.inference.rows import equate
from analysis.inference.segmented import SegmentedFit, segmented_fit
from analysis.inference.shape import IsotonicFit, isotonic_fit
from analysis.inference.sign_error import SignError, sign_error
from analysis.inference.slopes import Slope, Slopes, slopes

__all__ = [
    "Association",
    "ClassAssociation",
    "ClassSlope",
    "ConditionalInformation",
    "Decomposition",
    "Granulated",
    "IsotonicFit",
    "Meta",
    "OnPaths",
    "PartialCorrelation",
    "SegmentedFit",
    "SignError",
    "Slope",
    "Slopes",
    "class_association",
    "class_mixed_model",
    "cluster_bootstrap",
    "conditional_mutual_information",
    "decompose",
    "equate",
    "fisher_interval",
    "granulated_kendall",
    "isotonic_fit",
    "kendall_tau",
    "partial_correlation",
    "permutation_p",
    "random_effects",
    "segmented_fit",
    "sign_error",
    "slopes",
    "spearman",
]
