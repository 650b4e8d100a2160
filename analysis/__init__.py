"""From records to figures: tables out of MLflow, statistics on them, and pictures."""
