"""What is analysed? Records from MLflow or a file as one table, and what its rows have in common."""
