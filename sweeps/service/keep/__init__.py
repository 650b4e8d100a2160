"""Where do measurements stay? Journals, MLflow with its lock, files of records."""
