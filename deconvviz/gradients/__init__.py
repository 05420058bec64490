"""Signals that automatic differentiation takes down, in any network: projection, saliency, segmentation."""
