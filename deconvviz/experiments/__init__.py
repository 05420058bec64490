"""What one does with a network to find out how it works.

Source: Zeiler & Fergus 2013, "Visualizing and Understanding Convolutional Networks", sections 3 and 4.
"""
