"""A task as BUILD_NOTES.md says how to add one, with the smallest network there is: y = w x."""
