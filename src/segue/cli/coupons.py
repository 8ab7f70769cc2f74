"""`segue coupons`: codes to hand out, added to their pools and counted."""

from collections.abc import Iterator
from typing import TextIO

import click
import msgspec
from rich.table import Table

from segue import wiring
from segue.cli import asking
from segue.cli.terminal import terminal
from segue.errors import CouponCodeWrong

CODES_AT_ONCE = 10_000
"""Codes saved in one transaction, so that a running Segue never waits long for the store."""

CODE_CHARACTERS = 100
"""What a code may be long: longer ones are a file of another kind."""

_store_option = click.option(
    "--store", metavar="FILE", help="The store, if not the one of the settings."
)


@click.group()
def coupons() -> None:
    """Add codes to coupon pools, and see how many are left.

    A message whose incentive names a pool (`coupons: POOL`) takes one code, and nobody else
    gets that one. A running Segue sees new codes at once.

    \b
    Examples:
      segue coupons add spring-sale codes.txt
      segue coupons list
    """


@coupons.command()
@click.argument("pool")
@click.argument("file", type=click.File(encoding="utf-8"))
@_store_option
@click.pass_context
def add(ctx: click.Context, pool: str, file: TextIO, store: str | None) -> None:
    """Add the codes in FILE to POOL: one a line, handed out in their order.

    Codes that the pool knows already change nothing, so a file can be added again. The name -
    stands for standard input. Nothing is added if any line is wrong.

    \b
    Examples:
      segue coupons add spring-sale codes.txt
      shop export-codes | segue coupons add spring-sale -
    """
    codes = list(_codes(file))
    settings = asking.settings_of(ctx, store=store)
    with wiring.stored(settings.store, create=True) as opened:
        parts = [codes[at : at + CODES_AT_ONCE] for at in range(0, len(codes), CODES_AT_ONCE)]
        new = sum(opened.add_coupons(pool, part, wiring.now()) for part in parts)
    known = f", {len(codes) - new} were known" if new < len(codes) else ""
    click.echo(f"{new} codes added to {pool}{known}")


def _codes(file: TextIO) -> Iterator[str]:
    """The codes of a file; empty lines are passed over. Raises `CouponCodeWrong`."""
    try:
        for number, line in enumerate(file, 1):
            code = line.strip().removeprefix("\ufeff")
            if len(code) > CODE_CHARACTERS:
                raise CouponCodeWrong(
                    file.name, number, f"longer than {CODE_CHARACTERS} characters"
                )
            if not code.isprintable():
                raise CouponCodeWrong(file.name, number, "it has characters that can't be typed")
            if code:
                yield code
    except UnicodeDecodeError:
        raise CouponCodeWrong(file.name, 0, "the file is not UTF-8 text") from None


@coupons.command("list")
@_store_option
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, one a line.")
@click.pass_context
def list_pools(ctx: click.Context, store: str | None, as_json: bool) -> None:
    """List the pools: how many codes are free, and how many were handed out.

    \b
    Examples:
      segue coupons list
      segue coupons list --json | jq .free
    """
    settings = asking.settings_of(ctx, store=store)
    with wiring.stored(settings.store) as opened:
        pools = opened.coupon_pools()
    if as_json:
        for pool in pools:
            click.echo(msgspec.json.encode(pool))
        return
    if not pools:
        click.echo("No coupon pools.")
        return
    table = Table("pool", "free", "handed out", box=None)
    for pool in pools:
        table.add_row(pool.pool, str(pool.free), str(pool.handed))
    terminal().print(table)
