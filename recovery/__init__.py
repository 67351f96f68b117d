"""The recovery system: what support staff use when the box itself cannot help.

It runs from the box's recovery partition or from a stick, on the same root as the product, with no engine,
control or pages. Actions are in `recovery.actions`; each can be cut off at any instant and is finished by the
next start.
"""
