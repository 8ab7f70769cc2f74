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
    hint = "free disk space, or end the process that holds the database's lock; Segue goes on by itself"


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
