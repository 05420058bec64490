"""One image, one layer, every method: deconvnet, gradients, learned decoders and optimisation side by side.

A projection shows what made units fire, a reconstruction what a whole layer keeps. They are given different
things and claim different things; `methods` says which, and `judging` puts numbers to them on one footing.
"""
