"""From records to figures: tables from MLflow, statistics on them, and pictures."""
