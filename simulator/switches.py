"""The switches: one for each thing that is not known of Apple's behaviour, with its choices."""

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_origin


@dataclass(kw_only=True)
class Switches:
    """How this Apple behaves."""

    latency: float = 0.15
    jitter: float = 0.0
    #: Requests a second that Apple allows and announces; None announces and enforces nothing.
    rate: int | None = None
    #: What a page index at or above the total answers: error 9650, or an empty page.
    beyond_end: Literal["9650", "empty"] = "9650"
    #: Whether the first answer of the legacy service is its batch 1, or comes before that.
    first_batch: Literal["inside", "outside"] = "inside"
    #: Whether every answer of the legacy service brings a batchToken, or the first alone.
    batch_tokens: Literal["first", "all"] = "all"
    #: How totals are written: the legacy service's as a number or a text, the others' as a number or not at all.
    totals: Literal["number", "string", "absent"] = "number"
    #: How many pages a list without records has.
    nothing: Literal["one page", "no page"] = "one page"
    #: Whether some pages are empty though others follow.
    empty_pages: Literal["none", "some"] = "none"
    #: The HTTP status of errors: the one that is documented, or 200.
    errors: Literal["documented", "200"] = "documented"
    #: Whether what is gone is in the lists of changes, where it looks like any other record.
    removals: Literal["hidden", "listed"] = "hidden"
    #: Whether a user who is retired is in the list of changes.
    retirements: Literal["listed", "hidden"] = "listed"
    #: What assets say of their assignments: the number, another number for ever, or nothing.
    counts: Literal["exact", "wrong", "absent"] = "exact"
    #: The order of records: the same while nothing changes, another on each answer within its page or across all pages,
    #: or another with each change.
    order: Literal["stable", "within", "wild", "versions"] = "stable"
    #: Whether nobody's `mdmInfo` is left out or null.
    nobody: Literal["absent", "null"] = "absent"
    #: Whether fields that need not be there are there, and whether there are undocumented fields.
    optional: Literal["present", "missing"] = "present"
    unknown: Literal["absent", "present"] = "absent"
    #: Whether endless assets are in a list of their own.
    unlimited: Literal["absent", "apart"] = "absent"
    #: How often each notice is sent to a subscriber.
    notices: Literal["once", "twice", "lost"] = "once"
    #: The addresses that the service config names: the usual ones, none, others, or another host's.
    urls: Literal["usual", "none", "moved", "elsewhere"] = "usual"
    #: The address of the legacy service that its config names: the usual one, another, or another host's.
    legacy: Literal["usual", "moved", "elsewhere"] = "usual"

    #: How the metadata service answers: as it should; slowly, with an error, with a page, as another country's store,
    #: without any result, or not at all to us.
    metadata: Literal["up", "slow", "away", "busy", "html", "elsewhere", "empty", "refuses"] = "up"
    #: How it gives the addresses of icons: finished ones of some sizes, or templates of two kinds.
    artwork: Literal["template", "cropped", "list"] = "template"

    def turn(self, wanted: dict[str, Any]) -> None:
        """Set some switches; raise an error for one that does not exist, or for a choice that it does not have."""
        for name, value in wanted.items():
            choices = CHOICES.get(name)
            if not hasattr(self, name) or (choices is not None and value not in choices):
                raise ValueError(f"There is no switch {name} = {value}.")
            setattr(self, name, value)


#: What each switch can be set to, for those that are not numbers.
CHOICES: dict[str, tuple[str, ...]] = {
    field.name: get_args(field.type) for field in fields(Switches) if get_origin(field.type) is Literal
}
