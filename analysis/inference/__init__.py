"""Numbers from tables, nothing else: no MLflow, no files, no figures."""

from analysis.inference.conditional import ConditionalInformation, conditional_mutual_information
from analysis.inference.granulated import Granulated, granulated_kendall
from analysis.inference.rank import Association, kendall_tau, permutation_p, spearman
from analysis.inference.resampling import cluster_bootstrap
from analysis.inference.sign_error import SignError, sign_error

__all__ = [
    "Association",
    "ConditionalInformation",
    "Granulated",
    "SignError",
    "cluster_bootstrap",
    "conditional_mutual_information",
    "granulated_kendall",
    "kendall_tau",
    "permutation_p",
    "sign_error",
    "spearman",
]
