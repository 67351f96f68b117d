"""The call centre as pure state: `step(now, events) -> actions`.

No I/O, no clock, no thread, standard library only.
"""
