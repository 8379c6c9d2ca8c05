"""Starting the runs of a study: on this machine, or through Slurm."""
