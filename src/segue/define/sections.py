"""What may stand at the top of a workspace file."""

from segue.define import model, moments
from segue.define.cases import CaseForm


class Sections(model.Authored, frozen=True, kw_only=True):
    """The top of a file."""

    workspace: model.WorkspaceForm | None = None
    segments: dict[str, model.SegmentForm] = {}
    events: dict[str, moments.EventForm] = {}
    catalogs: dict[str, moments.CatalogForm] = {}
    messages: dict[str, model.MessageForm] = {}
    policies: dict[str, model.PolicyForm] = {}
    models: dict[str, model.ModelForm] = {}
    journeys: dict[str, model.JourneyForm] = {}
    tests: dict[str, CaseForm] = {}
