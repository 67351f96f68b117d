"""Line cards: samples and hook/ring events in and out, nothing else.

Nothing in this package imports any other room of the product, so that a
simulator and a detector can never share a bug.
"""
