"""`pageturner accept`: confirm held deletes, or a new owner."""

import shlex
from typing import Annotated

import typer

from storage.states import LocationState

from ...exits import Exit, Failure
from ...terminal import say
from ..context import with_store
from ..options import NameArgument
from ..resources import check_resources


def accept(
    name: NameArgument,
    resource: Annotated[str | None, typer.Option(help="Accept the held deletes of this resource alone.")] = None,
) -> None:
    """Let held deletes through with the next sync, or go on with a location that another service manages now.

    Example: pageturner accept hq --resource users
    """
    if resource is not None:
        check_resources([resource])
    with with_store() as services:
        location = services.store.locations.watched([name])[0]
        held = [
            stream
            for stream in services.store.streams.watched(location.id)
            if stream.held_deletes and resource in {None, stream.resource}
        ]
        is_foreign = location.state is LocationState.FOREIGN and resource is None
        if not held and not is_foreign:
            raise Failure(f"Nothing of '{name}' waits to be accepted.", Exit.USAGE)
        for stream in held:
            services.store.streams.accept_deletes(stream.id)
            say(f"{name} {stream.resource}: {stream.held_deletes} deletes are accepted.")
        if is_foreign:
            services.store.locations.disown(location.id)
            say(f"{name}: whichever service manages it now is accepted.")
        say(f"Next: pageturner sync {shlex.quote(name)}")
