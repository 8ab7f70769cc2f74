"""From settings to a courier: the only place in this floor that knows all providers.

    courier = build_courier(
        {"email": {"provider": "smtp", "host": "mail.shop.example", "from_address": "…"}},
        messages=messages, keep=store.keep,
    )

Rule: settings are decoded, so a key that is missing, unknown or of the wrong kind is a
`ChannelMisconfigured` that names channel and key, before anything is sent.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import msgspec

from segue.channels.audiences import GoogleAds, GoogleAdsSettings, Meta, MetaSettings
from segue.channels.courier import Courier, Engines, Keep, Messages
from segue.channels.fcm import Fcm, FcmSettings
from segue.channels.features import PROVIDERS
from segue.channels.hubspot import HubSpot, HubSpotSettings
from segue.channels.letter import Adapter, Letter, Line
from segue.channels.links import Links, Tracking
from segue.channels.mailgun import Mailgun, MailgunSettings
from segue.channels.postmark import Postmark, PostmarkSettings
from segue.channels.secret import Secret, resolve
from segue.channels.sendgrid import SendGrid, SendGridSettings
from segue.channels.ses import Ses, SesSettings
from segue.channels.slack import Slack, SlackSettings
from segue.channels.sms import HttpSms, HttpSmsSettings
from segue.channels.smtp import Smtp, SmtpLine, SmtpSettings
from segue.channels.together import AudienceLine, HubSpotLine
from segue.channels.twilio import Twilio, TwilioSettings
from segue.channels.webhook import Webhook, WebhookSettings
from segue.channels.webpush import WebPush, WebPushSettings
from segue.channels.whatsapp import CloudSettings, WhatsApp
from segue.channels.wire import Guard, HttpLine, Wire
from segue.errors import ChannelMisconfigured
from segue.hosts.ports import Delivery, Outcome
from segue.kernel.plan import Channel

Settings = Mapping[str, object]

_OVER_HTTP: Mapping[str, tuple[type[msgspec.Struct], Callable[[Any], Adapter]]] = {
    "ses": (SesSettings, Ses),
    "sendgrid": (SendGridSettings, SendGrid),
    "postmark": (PostmarkSettings, Postmark),
    "mailgun": (MailgunSettings, Mailgun),
    "twilio": (TwilioSettings, Twilio),
    "meta_whatsapp": (CloudSettings, WhatsApp),
    "http_sms": (HttpSmsSettings, HttpSms),
    "fcm": (FcmSettings, Fcm),
    "webpush": (WebPushSettings, WebPush),
    "meta_ads": (MetaSettings, Meta),
    "google_ads": (GoogleAdsSettings, GoogleAds),
    "hubspot": (HubSpotSettings, HubSpot),
    "webhook": (WebhookSettings, Webhook),
    "slack": (SlackSettings, Slack),
}

SETTINGS: Mapping[str, type[msgspec.Struct]] = {
    "smtp": SmtpSettings,
    **{name: kind for name, (kind, _) in _OVER_HTTP.items()},
}
"""The settings of each provider, by its name."""


def build_courier(
    channels: Mapping[Channel, Settings],
    *,
    messages: Messages,
    keep: Keep,
    templates: Engines | None = None,
    links: Links | None = None,
    tracking: Tracking | None = None,
    simulated: Callable[[Delivery], bool] | None = None,
    superseded: Callable[[Delivery], bool] | None = None,
    allowed: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Courier:
    """A courier for these channels; each names its `provider` among its settings.

    A channel that is not named, or whose provider is `sandbox`, is kept in the sandbox. Secrets
    given as `env:NAME` are looked up in `environment`. Raises `ChannelMisconfigured`.
    """
    wire = Wire()
    lines: dict[Channel, Line] = {}
    hush: list[Secret] = []
    for channel, settings in channels.items():
        if settings.get("provider", "") != "sandbox":
            lines[channel] = build_line(channel, settings, wire, environment, hush)
    return Courier(
        messages=messages,
        keep=keep,
        lines=lines,
        templates=templates,
        links=links,
        tracking=tracking,
        simulated=simulated,
        superseded=superseded,
        allowed=allowed,
        wire=wire,
        hush=hush,
    )


class ByAddress:
    """Two lines for push: subscriptions of browsers (JSON) take one, tokens of apps the other."""

    resends_safely = False

    def __init__(self, browsers: Line, apps: Line) -> None:
        self._browsers = browsers
        self._apps = apps

    async def carry(self, letter: Letter) -> Outcome:
        """By what the address is."""
        browser = letter.address.lstrip().startswith("{")
        return await (self._browsers if browser else self._apps).carry(letter)

    async def close(self) -> None:
        """Close both."""
        await self._browsers.close()
        await self._apps.close()


def build_line(
    channel: Channel,
    settings: Settings,
    wire: Wire,
    environment: Mapping[str, str] | None = None,
    hush: list[Secret] | None = None,
) -> Line:
    """The line of one channel; its secrets are added to `hush`. Raises `ChannelMisconfigured`."""
    both = settings.get("web")
    if channel == "push" and isinstance(both, Mapping) and settings.get("provider") != "webpush":
        bare = {key: value for key, value in settings.items() if key != "web"}
        browsers = {"provider": "webpush", **cast(Settings, both)}
        return ByAddress(
            build_line(channel, browsers, wire, environment, hush),
            build_line(channel, bare, wire, environment, hush),
        )
    name = settings.get("provider")
    if not isinstance(name, str) or name not in SETTINGS:
        known = ", ".join(sorted(SETTINGS))
        raise ChannelMisconfigured(f"{channel}: no provider {name!r}; there are {known}, sandbox")
    if channel not in PROVIDERS[name].channels:
        raise ChannelMisconfigured(f"{channel}: {name} does not carry this channel")
    given = {key: value for key, value in settings.items() if key != "provider"}
    try:
        decoded = decode(name, given, environment or {}, hush)
        if isinstance(decoded, SmtpSettings):
            return SmtpLine(Smtp(decoded))
        adapter = _OVER_HTTP[name][1](decoded)
        # Where others choose the address, it must not lie in our own network.
        guard = None
        if isinstance(decoded, WebhookSettings | WebPushSettings):
            guard = Guard(decoded.allowed_networks)
        if isinstance(adapter, Meta | GoogleAds):
            return AudienceLine(adapter, wire, getattr(adapter, "login", None))
        if isinstance(adapter, HubSpot):
            return HubSpotLine(adapter, wire)
        login = adapter.login if isinstance(adapter, Fcm) else None
        return HttpLine(adapter, wire, guard, login)
    except (msgspec.ValidationError, ChannelMisconfigured, ValueError) as error:
        raise ChannelMisconfigured(f"{channel}, {name}: {error}") from error


def decode(
    provider: str,
    given: Settings,
    environment: Mapping[str, str],
    hush: list[Secret] | None = None,
) -> msgspec.Struct:
    """A provider's settings; secrets may be `env:NAME` or `file:/path`, and are added to `hush`."""

    def secret(kind: type, value: object) -> object:
        if kind is not Secret or not isinstance(value, str | Secret):
            raise ValueError("expected text")
        found = resolve(value, environment) if isinstance(value, str) else value
        if hush is not None:
            hush.append(found)
        return found

    return msgspec.convert(given, SETTINGS[provider], strict=False, dec_hook=secret)
