"""Numbers from tables, nothing else: no MLflow, no files, no figures."""

from analysis.inference.granulated import Granulated, granulated_kendall
from analysis.inference.rank import Association, kendall_tau, permutation_p, spearman
from analysis.inference.resampling import cluster_bootstrap

__all__ = [
    "Association",
    "Granulated",
    "cluster_bootstrap",
    "granulated_kendall",
    "kendall_tau",
    "permutation_p",
    "spearman",
]
