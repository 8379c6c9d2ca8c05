"""Physics of the field: Fourier transforms, dipole model, classical inversions, phantoms."""
