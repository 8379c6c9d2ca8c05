"""Does a package hold what its author published, and does it give the same results here?

``checks`` compares the files with each other, with a printed digest and with a signature;
``settings`` says with which configuration and environment a package computes; ``child`` applies and
trains the network again, in a process of its own; ``verdict`` compares the results and says what a
difference means; ``program`` does all of this for the command ``verify``, and ``receipt`` writes it
down. ``requirements`` makes a list of software for the command ``environment``.
"""
