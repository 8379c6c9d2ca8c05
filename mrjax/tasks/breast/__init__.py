"""Breast masks from contrast-enhanced series by a U-Net, cross-validated over patients."""
