"""What each task's command takes: `FLAGS`, `ENDINGS` and `settings`. Nothing here imports JAX."""
