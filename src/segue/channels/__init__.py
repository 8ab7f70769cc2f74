"""Floor 5: how a message reaches a customer.

An adapter only translates: `compose(letter) -> request`, `interpret(reply) -> outcome`. One
courier does the I/O. What a channel can't carry is an error when the workspace is checked,
never a silent drop.
"""
