"""The system daemon: what only root may do, behind one socket that control alone may use."""
