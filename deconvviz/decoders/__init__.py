"""Learned decoders: networks that are trained to turn a layer's features back into the image.

The other half of the comparison with the deconvnet: where the deconvnet shows what in *this* image made a
unit fire, a decoder shows the average of all images that a layer cannot tell from this one.

Source: Dosovitskiy & Brox, "Inverting Visual Representations with Convolutional Networks", arXiv 1506.02753.
"""
