"""Every code that the checker gives, with what it means: the source of the reference page.

Rule: a code never changes its meaning, and is never used again. E1 files, E2 forms, E3
expressions, E4 names, E5 journeys, E6 messages and policies, E8 tests, W what is only worth a
look, N what an author may like to know.
"""

from collections.abc import Mapping
from typing import Literal as OneOf

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """What a code means, why it is one, and what to do."""

    title: str
    explanation: str
    hint: str = ""
    severity: OneOf["error", "warning", "note"] = "error"
    waivable: bool = False


CODES: Mapping[str, Rule] = {
    "SEG-E101": Rule(
        "A file can't be read",
        "The file is not readable, is no UTF-8 text, or is a link that leads out of the workspace.",
        "save it as UTF-8 inside the workspace, readable for the user that runs Segue",
    ),
    "SEG-E102": Rule(
        "This is not YAML",
        "The text breaks a rule of YAML 1.2; the place is where the reader noticed, so the cause"
        " may stand a little before it.",
        "look for a missing quote or colon, or for lines that are not indented alike",
    ),
    "SEG-E103": Rule(
        "A key stands twice",
        "In one mapping a key may stand once; otherwise one of the two values would be lost without"
        " a word.",
        "remove one of the two",
    ),
    "SEG-E104": Rule(
        "A part of YAML that is not used here",
        "Tags, several documents in one file, keys that are lists or mappings, and aliases that are"
        " used before they are complete have no meaning in a workspace.",
        "write it out plainly",
    ),
    "SEG-E105": Rule(
        "Too much",
        "Files, depth, names and journeys are bounded, so that no workspace can stall a server.",
        "split it up",
    ),
    "SEG-E201": Rule(
        "Unknown key",
        "Only the keys of the reference may stand here. An unknown one would do nothing, which is"
        " never what its author meant.",
    ),
    "SEG-E202": Rule("Something is missing", "A part without which the definition means nothing."),
    "SEG-E203": Rule(
        "Another kind of value is expected",
        "For instance a list where one value may stand, or a text where a number is meant.",
    ),
    "SEG-E204": Rule("Not one of the words", "Here only a few words may stand."),
    "SEG-E205": Rule(
        "Not a length of time",
        "Lengths of time are numbers with units, largest first: `30m`, `1h30m`, `7d`, `2w`.",
    ),
    "SEG-E206": Rule(
        "Not a local time or weekday",
        "Times of day are `09:00`, windows `09:00-20:00`, weekdays `mon` or `mon..fri`.",
    ),
    "SEG-E207": Rule("Out of range", "The number or time lies outside what is possible here."),
    "SEG-E208": Rule(
        "Defined twice",
        "Names are unique in a workspace, in whichever file they stand.",
        "rename or remove one of the two",
    ),
    "SEG-E209": Rule(
        "Not a name",
        "Names have 1 to 80 letters, digits, `-`, `_` and `.`, and begin with a letter or digit.",
        "use letters, digits, - _ and .",
    ),
    "SEG-E210": Rule(
        "It is not clear what this is",
        "Steps, policies, entries and waits are told apart by their keyword, and none stands here.",
    ),
    "SEG-E211": Rule(
        "A file is missing",
        "A message names a file that is not in the workspace.",
        "create the file, or correct its path",
    ),
    "SEG-E301": Rule(
        "An expression can't be read",
        "Expressions are written in Python's syntax; this one breaks it.",
    ),
    "SEG-E302": Rule(
        "Not part of the expression language",
        "There are no loops, functions of one's own, assignments or methods in expressions: only"
        " data, comparisons, arithmetic, `and`, `or`, `not`, `if`/`else` and the listed functions.",
    ),
    "SEG-E303": Rule(
        "Unknown name in an expression", "Neither data nor a field of it has this name."
    ),
    "SEG-E304": Rule("Unknown function", "The language has no function of this name."),
    "SEG-E305": Rule("Wrong arguments", "The function takes other arguments than these."),
    "SEG-E306": Rule(
        "The wrong kind",
        "Values of different kinds are never equal and have no order, so comparing them can only be"
        " a mistake; a condition must be true or false.",
    ),
    "SEG-E307": Rule(
        "An expression that would cost too much",
        "Length, depth, looks at history, windows and sequences are bounded, so that every event is"
        " answered in microseconds.",
        "make it smaller, or split it into segments",
    ),
    "SEG-E308": Rule(
        "A pattern can't be read",
        "Patterns are regular expressions of RE2, which has no look-around and no backreferences,"
        " and takes linear time whatever the text.",
    ),
    "SEG-E309": Rule(
        "Always missing here",
        "What is named exists, but never where this expression stands: a segment, for instance, has"
        " no event at hand.",
    ),
    "SEG-E310": Rule(
        "The catalog can't be read here",
        "What a catalog says changes without the customer, so no instant could be named at which"
        " this would have to be asked again. Journeys, messages and guardrails read the catalog:"
        " they ask at each event and before each send.",
        "read it in the journey's `when`, in a branch or in the message's `when`",
    ),
    "SEG-E401": Rule("Unknown segment", "No segment has this name."),
    "SEG-E402": Rule("Unknown journey", "No journey has this name."),
    "SEG-E403": Rule("Unknown message", "No message has this name."),
    "SEG-E404": Rule("Unknown step", "No step of this journey has this id."),
    "SEG-E405": Rule(
        "Unknown channel",
        "Channels are email, sms, push, whatsapp, web, checkout, inapp, ads, webhook, task and, for"
        " trying out, sandbox.",
    ),
    "SEG-E406": Rule("Unknown incentive group", "No message carries an incentive of this group."),
    "SEG-E407": Rule(
        "Segments in a circle",
        "A segment may ask for other segments, but not, even through others, for itself.",
        "take one of them out of the circle",
    ),
    "SEG-E408": Rule(
        "A model does not add up",
        "Cuts rise, a feature has one point more than cuts, a pair has a row for each bin of its"
        " first feature, and a scale has at least two points.",
    ),
    "SEG-E409": Rule(
        "Unknown feature", "Models look at fields of the session, and it has no such."
    ),
    "SEG-E410": Rule(
        "No model gives this score",
        "`session.intent` and its like come from models; without one they are missing for ever.",
        "add a model of this name, or correct the name",
    ),
    "SEG-E411": Rule(
        "Unknown time zone",
        "Zones have the names of the IANA database, such as Europe/Berlin.",
    ),
    "SEG-E412": Rule("Unknown code in `waive`", "Only codes of this page marked waivable can be."),
    "SEG-E413": Rule(
        "No workspace",
        "One file says `workspace:` with at least a name.",
        "put `workspace: {name: myshop}` into a file of the folder, say workspace.yaml",
    ),
    "SEG-E414": Rule(
        "Unknown tag",
        "A guardrail that reaches a tag that no message carries reaches nothing.",
    ),
    "SEG-E416": Rule(
        "Unknown placement",
        "No step shows anything there, so a test that asks it can see nothing.",
    ),
    "SEG-E415": Rule(
        "A segment that no event feeds",
        "It looks at events only that nobody sends: they are neither in the ecommerce specification"
        " nor made by this workspace nor expected by it, or the history knows none of them.",
        "correct the event's name, or list it under `workspace: {expects: [...]}`",
        waivable=True,
    ),
    "SEG-E417": Rule(
        "An event that nothing makes",
        "Nothing is an event of Segue's own accord: that a session began or ended, that a segment"
        " was entered or a cart abandoned, is one if a file says so, as the workspace wants it.",
        "add the lines to events.yaml; or list the event under `workspace: {expects: [...]}`, if"
        " the shop sends it itself",
    ),
    "SEG-E418": Rule(
        "Unknown catalog",
        "Catalogs other than `products` are named under `catalogs`.",
        "add it to catalog.yaml, or correct the name",
    ),
    "SEG-E419": Rule(
        "Unknown ranking",
        "A ranking is defined under its catalog, and its name is unique in the workspace.",
        "add it to catalog.yaml, or correct the name",
    ),
    "SEG-E420": Rule(
        "A segment that counts its own changes",
        "It looks at an event that a file makes of this very segment's being entered or left,"
        " perhaps through other segments or events: with each change it asks again, and may not"
        " come to rest.",
        "count it in a segment of its own, or narrow the count: `where=properties.segment == ...`",
        waivable=True,
    ),
    "SEG-E501": Rule(
        "A journey without an exit",
        "A customer who has done what the journey is for, or for whom it means nothing any more,"
        " would go on being written to.",
        "add `exit:` with the event after which it should stop",
        waivable=True,
    ),
    "SEG-E502": Rule(
        "A journey without a goal",
        "Without a goal nobody can tell whether the journey does any good.",
        "add `goal:` with the outcome it is for, and a time",
        waivable=True,
    ),
    "SEG-E503": Rule(
        "A goal that is an activity",
        "Opens, clicks and deliveries are what the journey does, not what it is for: a journey that"
        " is judged by them learns to annoy.",
        "name an outcome: an order, a booking, a renewal, a visit",
        waivable=True,
    ),
    "SEG-E504": Rule(
        "A step that can't be reached",
        "No path from the start leads here.",
        "remove it, or lead a path to it",
        waivable=True,
    ),
    "SEG-E505": Rule(
        "An endless loop without a wait",
        "These steps lead back to themselves in no time.",
        "put a wait into the loop, or use `repeat`",
    ),
    "SEG-E506": Rule(
        "Two steps have one id", "Ids are unique in a journey; runs are kept by them."
    ),
    "SEG-E507": Rule("A commit outside an adaptive branch", "There is nothing to commit to."),
    "SEG-E508": Rule(
        "A draw that can't be made", "Variants need weights, and a control is one of them."
    ),
    "SEG-E509": Rule("A journey without steps", "A run would end where it begins."),
    "SEG-E510": Rule("A journey without an entry", "Nobody would ever enter it."),
    "SEG-E511": Rule(
        "A journey that starts itself",
        "It emits an event on which it is entered, and may be entered again at once.",
        "set `reenter: {after: ...}` or emit another event",
    ),
    "SEG-E512": Rule(
        "An end that leads on",
        "`end` ends the run, so `next` has no meaning there.",
        "remove `next`, or use `goto` instead of `end`",
    ),
    "SEG-E513": Rule("`otherwise` does not stand last", "The paths after it are never looked at."),
    "SEG-E514": Rule(
        "An experiment that varies more than one thing",
        "Its variants differ in more than one of content, timing, channel and path, so whatever"
        " comes out can't be ascribed to any of them.",
        "vary one thing at a time; what is the same for all stands after the experiment",
        waivable=True,
    ),
    "SEG-E515": Rule(
        "An experiment that can't be decided in its time",
        "With this traffic fewer customers come by than are needed to tell the two rates apart:"
        " n of the two-proportion test, at 95 % confidence and 80 % power unless stated.",
        "let it last longer, look for a larger difference, or let more customers in",
        waivable=True,
    ),
    "SEG-E516": Rule(
        "An adaptive branch that may go to and fro",
        "It goes `both_ways`, and two of its ways set, or make happen, at once what its conditions"
        " look at: each may undo the reason for which the run came, and nothing would settle."
        " An input is answered in a bounded number of rounds, and then the run stands where it is.",
        "let only one of the two change it, put a wait or a `commit` before, or leave out"
        " `both_ways`",
        waivable=True,
    ),
    "SEG-E601": Rule(
        "A message without a topic",
        "Consent is given by topic; without one nobody can say no to this and yes to that.",
        "add `topic:`",
        waivable=True,
    ),
    "SEG-E602": Rule(
        "A message without an expiry",
        "Held back long enough, every message becomes wrong.",
        "add `expires:` with the time for which it is worth sending",
        waivable=True,
    ),
    "SEG-E603": Rule(
        "A message has no content for the channel",
        "The step would use a channel for which the message says nothing.",
    ),
    "SEG-E604": Rule("Content that the channel can't carry", "A field is unknown or missing."),
    "SEG-E605": Rule(
        "A template that can't be read",
        "The text breaks a rule of its language: Liquid, or the MJML or HTML that it writes.",
    ),
    "SEG-E606": Rule(
        "A message that is no use in its step",
        "`send` goes out by email, SMS and their like; `show` is for pages and apps.",
        "use `show` for web, checkout and inapp, `send` for all others",
    ),
    "SEG-E607": Rule(
        "Deals that compete, and nothing that keeps them apart",
        "Two journeys give incentives of different groups that no exclusion names together, and"
        " there is a customer who holds both at once: the witness, found by living such lives in"
        " the engine itself, is printed below. (Incentives of one group never are alive together.)",
        "give both one group, add a policy `exclude: {groups: [...]}`, or waive this in one of the"
        " journeys or messages if they may go together",
        waivable=True,
    ),
    "SEG-E608": Rule(
        "A follow-up that repeats what was said, on another channel",
        "Who did not act on a message has read it; to say the same again elsewhere is noise.",
        "name the channels in one step, `by: [email, sms]`, which uses the first that reaches the"
        " customer; or say something new",
        waivable=True,
    ),
    "SEG-E609": Rule(
        "A code for everybody, and a pool of codes",
        "An incentive has one code that all customers share, or names a pool of which each gets"
        " a code of their own; with both, nobody could tell which one is meant.",
        "remove `code` or `coupons`",
    ),
    "SEG-E801": Rule(
        "A test that tests nothing",
        "A test that expects nothing passes whatever happens.",
        "end it with an `expect:` or a `sees:`",
    ),
    "SEG-W701": Rule(
        "Nothing uses this",
        "A message that no step sends, or a segment that nothing asks for.",
        "remove it, or use it",
        severity="warning",
        waivable=True,
    ),
    "SEG-W702": Rule(
        "Nothing to waive",
        "The definition waives a check that it passes.",
        "remove it from `waive`",
        severity="warning",
    ),
    "SEG-W703": Rule(
        "A guardrail that can never bind",
        "No step of any journey does what it reaches, or another guardrail always binds first.",
        "correct what it reaches, or remove it",
        severity="warning",
        waivable=True,
    ),
    "SEG-W704": Rule(
        "Quiet all day long",
        "Together these quiet hours leave no minute of the week in which such a message could go"
        " out; each would be held until it expires.",
        "leave some hours of the day open",
        severity="warning",
        waivable=True,
    ),
    "SEG-W705": Rule(
        "A message that expires before it could go out",
        "What holds it back lasts at least as long as the message is worth sending, so whoever is"
        " held there never gets it.",
        "give the message more time, or shorten what holds it back",
        severity="warning",
        waivable=True,
    ),
    "SEG-W706": Rule(
        "An event's name that looks mistyped",
        "It differs in a letter or two from an event of the ecommerce specification, or from one"
        " that this workspace uses elsewhere; an event of that name may never come.",
        "correct it, or list it under `workspace: {expects: [...]}` if it is meant so",
        severity="warning",
    ),
    "SEG-W707": Rule(
        "A template that asks for what nobody has",
        "Nothing of that name reaches a template, so this is always empty.",
        "correct the name; `traits`, `entry`, `properties` and their like are in the reference",
        severity="warning",
        waivable=True,
    ),
    "SEG-W708": Rule(
        "A text that is billed as several",
        "Texts are paid for by the segment; a sign outside the plain alphabet more than halves"
        " what one holds.",
        "shorten it, or write it with plain signs",
        severity="warning",
        waivable=True,
    ),
    "SEG-W709": Rule(
        "The event never tells this",
        "An event that a file defines `on` others tells the `properties` that the file gives it."
        " What a journey that only such events begin reads of `entry` beside them is missing in"
        " every run, and renders as nothing.",
        "add it to the `properties` of the event",
        severity="warning",
        waivable=True,
    ),
    "SEG-N801": Rule(
        "Two journeys want one placement, and neither comes first",
        "Their messages have one priority and no value, so the older offer is shown.",
        "give one of the messages a higher `priority`, or both a `value`",
        severity="note",
        waivable=True,
    ),
    "SEG-N802": Rule(
        "Whether two deals meet could not be told",
        "Neither a customer who would hold both was found, nor a reason why there can't be one."
        " The search is bounded; a backtest over real history may tell.",
        "name both groups in a policy `exclude: {groups: [...]}` to be sure",
        severity="note",
        waivable=True,
    ),
    "SEG-N803": Rule(
        "An experiment of which nobody knows whether it can be decided",
        "Without the traffic and the rate that are expected, nor a history to take them from, the"
        " time that it needs can't be computed.",
        "add `expects: {baseline: 4%, detect: 5%, daily: 400, lasts: 28d}`, or check with"
        " `--history`",
        severity="note",
        waivable=True,
    ),
}
