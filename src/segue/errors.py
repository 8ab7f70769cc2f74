"""Every error that Segue raises on purpose, by who can act on it.

Each leaf has a `code` that never changes its meaning and a `hint` that says what to do next;
`docs/reference/errors.md` lists them all, and a test says so.

SegueError
├── DefinitionError   the author of the workspace
├── InputError        the sender of the data; carries an HTTP status
├── OperatorError     whoever runs this installation
└── (assertions)      us: a bug
"""


class SegueError(Exception):
    """Something that someone can act on."""

    code = "SEG000"
    hint = ""


class DefinitionError(SegueError):
    """A definition is wrong; the author of the workspace can act."""

    code = "DEF000"


class InputError(SegueError):
    """What was sent is wrong; its sender can act. `status` is the HTTP answer."""

    code = "INP000"
    status = 400


class OperatorError(SegueError):
    """The installation is wrong or out of something; whoever runs it can act."""

    code = "OPS000"


class StoreUnavailable(OperatorError):
    """The store can't save now; nothing was accepted."""

    code = "OPS101"
    hint = "free disk space, or end the process that locks the database; Segue goes on by itself"


class StoreTooNew(OperatorError):
    """The store was written by a later release of Segue."""

    code = "OPS102"
    hint = "upgrade Segue, or restore the backup made before the upgrade"


class StoreDamaged(OperatorError):
    """Stored bytes can't be read."""

    code = "OPS103"
    hint = "stop Segue, keep the file, restore the last backup, and report this error"


class MappingWrong(DefinitionError):
    """A mapping file does not say how to read its source."""

    code = "DEF601"
    hint = "docs/guides/import.md lists every key of a mapping; the packaged ones are good examples"


class SourceUnreadable(OperatorError):
    """A file to import can't be opened, or is not of the format that its mapping says."""

    code = "OPS601"
    hint = "check the path, and that the mapping's `format` and columns are those of the file"


class CatalogMisnamed(OperatorError):
    """A catalog, or the file that holds one, has a name that none may have."""

    code = "OPS602"
    hint = "name it in lower case with digits, - and _: catalog/products.csv holds products"


# ── channels ────────────────────────────────────────────────────────────────────────


class Unrenderable(DefinitionError):
    """A message's template can't be rendered with the data it was given."""

    code = "DEF401"
    hint = "correct the template, or give the value a `default`; only this message was stopped"

    def __init__(self, field: str, line: int, reason: str) -> None:
        place = f"{field}, line {line}" if line else field
        super().__init__(f"{place}: {reason}")
        self.field = field
        self.line = line
        self.reason = reason


class Unsupported(DefinitionError):
    """A message asks of a channel what its provider can't carry."""

    code = "DEF402"
    hint = "the feature matrix in docs/channels says what each provider carries"

    def __init__(self, provider: str, what: str) -> None:
        super().__init__(f"{provider} can't carry {what}")
        self.provider = provider
        self.what = what


class BadAddress(InputError):
    """What should be an address of a channel is none."""

    code = "INP401"
    status = 422
    hint = "correct the trait that holds the address"


class ForgedCallback(InputError):
    """A provider's callback does not carry the signature it must."""

    code = "INP402"
    status = 401
    hint = "compare the channel's signing key with the one on the provider's page"


class UnreadableCallback(InputError):
    """A provider's callback is not in the form that its documentation gives."""

    code = "INP403"
    hint = "check that the callback's address names the right provider"


class BadLink(InputError):
    """A link of a message is not one that this installation made."""

    code = "INP404"
    status = 404
    hint = "open the link as it stands in the message; links end when the setting link_key changes"


class ChannelMisconfigured(OperatorError):
    """A channel's settings are incomplete or contradict each other."""

    code = "OPS401"
    hint = "the channel's page in docs/channels lists its settings and where to get its keys"


# ── hosts ───────────────────────────────────────────────────────────────────────────


class QueueFull(InputError):
    """More is arriving than can be saved; nothing of this submission was taken."""

    code = "INP301"
    status = 429
    hint = "send it again after `retry_after_s`; nothing that was answered 200 is lost"

    def __init__(self, waiting: int, retry_after_s: int) -> None:
        super().__init__(f"{waiting} arrivals wait already")
        self.retry_after_s = retry_after_s


class HostStopped(OperatorError):
    """The host is stopping, or was never started; nothing was taken."""

    code = "OPS301"
    hint = "send it again when Segue runs again; clients do so by themselves"


class NoProgram(OperatorError):
    """Nothing has ever been published to this store."""

    code = "OPS302"
    hint = "start with a workspace: `segue run WORKSPACE`"


class PlanUnreadable(OperatorError):
    """A stored plan can't be read by this release."""

    code = "OPS303"
    hint = "a later release of Segue published it: upgrade, or publish the workspace again"


class StepsVanished(DefinitionError):
    """Runs that were to migrate stand at steps which the new program does not have."""

    code = "DEF301"
    hint = "keep these steps, give the new ones their ids, or let the runs drain or exit"

    def __init__(self, places: list[str]) -> None:
        super().__init__("nothing was published; no such step any more: " + "; ".join(places))
        self.places = places


class UnknownMode(DefinitionError):
    """What becomes of runs was said of a journey that does not exist, or in an unknown word."""

    code = "DEF302"
    hint = "write NAME=drain, NAME=migrate or NAME=exit, with the name of a journey"

    def __init__(self, journey: str, known: list[str]) -> None:
        super().__init__(f"{journey!r} is none of: {', '.join(known) or 'no journey'}")


class StillCarrying(OperatorError):
    """The last publication is still being carried out for some profiles."""

    code = "OPS304"
    hint = "try again in a moment; it goes on by itself"

    def __init__(self, program: str) -> None:
        super().__init__(f"runs are still being carried over to program {program[:12]}")


# ── stores ──────────────────────────────────────────────────────────────────────────


class StaleCommit(OperatorError):
    """What a batch was decided from no longer holds; nothing of it was saved.

    `profiles` are those to load and step again; a host does so by itself.
    """

    code = "OPS104"
    hint = "another process writes to the same store; if this goes on, run one host per store"

    def __init__(self, profiles: tuple[str, ...]) -> None:
        super().__init__(f"changed since they were loaded: {', '.join(map(repr, profiles[:10]))}")
        self.profiles = profiles


class Unstorable(InputError):
    """A value that has no stored form: an integer beyond 64 bits, half a surrogate pair."""

    code = "INP101"
    hint = "send integers beyond 64 bits as text, and text as valid UTF-8"

    def __init__(self, profile: str, reason: str) -> None:
        super().__init__(f"profile {profile!r}: {reason}")
        self.profile = profile
        self.reason = reason


# ── the shell ───────────────────────────────────────────────────────────────────────


class BadSetting(OperatorError):
    """A setting is unknown, of the wrong kind, or can't be read."""

    code = "OPS801"
    hint = "docs/reference/settings.md lists every setting; `segue doctor` shows those in force"


class NotHere(OperatorError):
    """A file, folder or running Segue that a command needs is not there."""

    code = "OPS802"

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class PortTaken(OperatorError):
    """Another program listens on the port already."""

    code = "OPS803"
    hint = "end that program, or choose another port: `segue run --port 8401`"


class StoreInUse(OperatorError):
    """Another Segue runs on this store."""

    code = "OPS805"
    hint = "use the one that runs, end it, or choose another store: `segue run --store FILE`"


class WorkspaceWrong(DefinitionError):
    """The workspace has errors; each was shown with its place."""

    code = "DEF801"
    hint = "correct the places shown, then run `segue check`"


class WrongTest(DefinitionError):
    """A test of a workspace asks for something that can't be."""

    code = "DEF802"

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Refused(OperatorError):
    """A running Segue answered a request of the command line with an error."""

    code = "OPS804"

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class ComeLater(Refused):
    """A running Segue, or what stands before it, can't take more for the moment."""

    code = "OPS806"

    def __init__(self, message: str, hint: str, after_s: float) -> None:
        super().__init__(message, hint)
        self.after_s = after_s
        """How long it asks to wait; 0 where it names no time."""


# ── server ──────────────────────────────────────────────────────────────────────────


class UnknownWriteKey(InputError):
    """The request carries no write key, or one that this installation does not know."""

    code = "INP701"
    status = 401
    hint = "send the write key as the Basic user name, or as `writeKey` in the body"


class NotAdmitted(InputError):
    """The request needs the admin token, or comes from a place that may not ask."""

    code = "INP702"
    status = 401
    hint = "send `Authorization: Bearer` with the admin token"


class BodyTooLarge(InputError):
    """The body, or what it unpacks to, is larger than a request may be."""

    code = "INP703"
    status = 413
    hint = "send at most 500 KB and 2,500 messages in one request"


class BodyUnreadable(InputError):
    """The body is not what the route reads; the text says where."""

    code = "INP704"
    hint = "docs/reference/http.md shows the body of every route"


class EncodingUnsupported(InputError):
    """The body is compressed in a way that is not read here."""

    code = "INP705"
    status = 415
    hint = "send it plain, or with `Content-Encoding: gzip`"


class NothingUsable(InputError):
    """No message of the request could be used; all were set aside with their reasons."""

    code = "INP706"
    hint = "the first reason is in the message, all of them are under /api/set-aside"


class NoSuchThing(InputError):
    """There is nothing at this address."""

    code = "INP707"
    status = 404
    hint = "docs/reference/http.md lists every route"


class WrongMethod(InputError):
    """The route exists, with another method."""

    code = "INP708"
    status = 405
    hint = "docs/reference/http.md lists every route with its method"


class TooManyWatchers(InputError):
    """The live stream has as many readers as it may have."""

    code = "INP709"
    status = 429
    hint = "close a live page, or read /metrics instead"


class Unproven(InputError):
    """A source's or provider's callback does not prove where it comes from; nothing was kept."""

    code = "INP710"
    status = 401
    hint = "compare the secret in the settings with the one on the provider's page"


class FetchFailed(OperatorError):
    """What a provider names could not be fetched; its callback comes again by itself."""

    code = "OPS701"
    hint = "let this machine reach the provider's address over HTTPS"


class WorkspaceDiffers(InputError):
    """The running Segue has another workspace than the one that was to be published."""

    code = "INP711"
    status = 409
    hint = "publish from the folder that `segue run` was started with, or start it on yours"

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"its workspace holds program {found[:12]}, not {expected[:12]}")


class NobodyNamed(InputError):
    """An input carries neither a user id nor an anonymous id."""

    code = "INP302"
    status = 422
    hint = "give it a userId or an anonymousId"

    def __init__(self) -> None:
        super().__init__("it names no customer: neither a userId nor an anonymousId")


class StepFailed(SegueError):
    """An input could not be answered because of a bug; it was kept aside, and harmed nothing."""

    code = "SEG301"
    hint = "report it with what `segue doctor` prints; the input is kept and can be sent again"


class CouponCodeWrong(InputError):
    """A file of coupon codes has a line that is no code; nothing of it was added."""

    code = "INP304"
    hint = "give it one code a line, as UTF-8 text"

    def __init__(self, file: str, line: int, why: str) -> None:
        super().__init__(f"{file}:{line}: {why}" if line else f"{file}: {why}")
        self.line = line


class WorkspaceUnreadable(DefinitionError):
    """The workspace's folder can't be read at all."""

    code = "DEF101"
    hint = "name a folder that exists and that you may read"

    def __init__(self, folder: str, why: str) -> None:
        super().__init__(f"{folder}: {why}")
        self.folder = folder
