"""Numbers from tables, nothing else: no MLflow, no files, no figures."""

from analysis.inference.rank import Association, kendall_tau, spearman

__all__ = ["Association", "kendall_tau", "spearman"]
