"""From run folders to the tables of a study."""
