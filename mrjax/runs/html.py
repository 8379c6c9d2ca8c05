"""Pages in HTML that load nothing: their templates and the pictures inside them."""

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from mrjax.errors import UserError

if TYPE_CHECKING:
    import jinja2


def template(path: Path, what: str) -> "jinja2.Template":
    """Return the template of a page.

    Names in a page are the user's (of arms, flags, modules, files), so they are shown as text and
    never taken for markup.

    Args:
        path: the template.
        what: the page in words, for the message.

    Raises:
        UserError: jinja2 is missing.
    """
    try:
        import jinja2
    except ImportError as error:
        raise UserError(
            f'{what} needs jinja2; expected the extra "report"; pip install "mrjax[report]"'
        ) from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(path.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(path.name)


def inlined(png: bytes) -> str:
    """Return a picture as the address of an image that is inside the page."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
