"""From files or keys to batches: formats and builders at the border, subjects, patches, order."""
