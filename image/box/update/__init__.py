"""Updates: bundles looked at, checked against this box, brought in, installed, and remembered."""
