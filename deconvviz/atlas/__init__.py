"""The atlas: what every unit of a network looks for, over a whole data set.

A scan keeps, for every unit of some layers, its strongest activations over all images, with the image, the
place and the value; rendering adds each one's image patch and its projection.

Source: Zeiler & Fergus 2013, sec. 4 and fig. 2.
"""
