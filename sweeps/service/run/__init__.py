"""The life of a sweep: Ray Tune, trials, progress, what is copied, the end."""
