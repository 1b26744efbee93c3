"""Forms: what a page sends back."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from .query import WrongQuery

#: A form has some names and numbers in it.
_LONGEST_FORM = 10_000


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form; raise WrongQuery for one that is too long, or none."""
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > _LONGEST_FORM:
            raise WrongQuery("The form is too long.")
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body)))
    except ValueError:
        raise WrongQuery("The form cannot be read.") from None
    if any("\x00" in value for value in form.values()):
        raise WrongQuery("The form has a sign that no name has.")
    return form
