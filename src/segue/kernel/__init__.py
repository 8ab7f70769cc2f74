"""Floor 1: what may happen to a customer. Pure: no I/O, no clock, no randomness, no global.

The door is `step.step`; `program.link` makes a plan ready to run. Read in this order:
`values`, `expression`, `plan`, `profile`, `inputs`, `effects`, `trace`; then `step`.
"""
