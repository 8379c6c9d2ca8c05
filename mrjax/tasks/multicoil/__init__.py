"""What the tasks of parallel imaging share: settings, inputs, digests and domain of slices."""
