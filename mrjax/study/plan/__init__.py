"""From the flags of a recipe to the runs of a study."""
