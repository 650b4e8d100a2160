"""What happens while a sweep runs? Ray Tune, trials, progress, the copy to MLflow, the end."""
