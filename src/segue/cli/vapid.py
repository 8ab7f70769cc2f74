"""`segue vapid`: the key that Web Push is signed with."""

from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric import ec

from segue.channels.login import text_of
from segue.channels.secret import Secret, resolve
from segue.channels.webpush import CURVE, WebPush, WebPushSettings

_TABLE = """\
[push]
provider = "webpush"
private_key = "env:VAPID_KEY"      # or "file:/run/secrets/vapid-key"
subject = "mailto:hello@shop.example"
"""


@click.command()
@click.option(
    "--of",
    "kept",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    metavar="FILE",
    help="Print the public key of the private key in FILE; make none.",
)
def vapid(kept: Path | None) -> None:
    """Make a key for Web Push (VAPID), and print it.

    The private key goes to standard output, alone, so that it can be kept in a file. Make it
    once: the subscriptions of browsers are bound to it. Pages get its public half from Segue.

    \b
    Examples:
      segue vapid
      (umask 077; segue vapid > vapid-key)
      segue vapid --of vapid-key
    """
    if kept is not None:
        click.echo(_public(resolve(f"file:{kept}", {})))
        return
    number = ec.generate_private_key(CURVE).private_numbers().private_value
    private = text_of(number.to_bytes(32, "big"))
    click.echo(private)
    click.echo(f"\nThe line above is the private key: keep it secret, and keep it. Its public\n"
               f"half is {_public(Secret(private))}.\n\n"
               f"In the file that the setting `channels` names:\n\n{_TABLE}", err=True)  # fmt: skip


def _public(private: Secret) -> str:
    return WebPush(WebPushSettings(private_key=private, subject="mailto:")).public_key
