"""What it takes to run the sidecar among strangers: access, limits, health, metrics, logs."""
