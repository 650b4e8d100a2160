"""From a script and its flags to finished trials in MLflow; the only code that knows Ray and writes to MLflow."""
