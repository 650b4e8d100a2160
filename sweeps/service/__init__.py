"""From a study and a command line to finished trials in MLflow; the only code that knows Ray and writes to MLflow."""
