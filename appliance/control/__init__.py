"""Owns writes from the call path, compiles settings into the plan, answers the control socket."""
