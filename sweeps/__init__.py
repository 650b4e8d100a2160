"""Many trials: each script here answers one question; sweeps.service runs its trials on Ray and records them."""
