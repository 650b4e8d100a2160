"""Where does what trials measure stay? Journals, MLflow with its lock, files of records."""
