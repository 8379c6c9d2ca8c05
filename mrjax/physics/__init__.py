"""Physics: Fourier transforms, dipole model, parallel imaging, classical inversions, phantoms."""
