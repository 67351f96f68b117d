"""Slow work beside the calls, one module per job."""
