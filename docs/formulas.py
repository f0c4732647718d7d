"""Hook of MkDocs that converts formulas from LaTeX to MathML, so that pages need neither JavaScript nor a network."""

import re
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", re.DOTALL)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace $...$ and $$...$$ outside code by MathML. MkDocs calls this for each page."""
    parts = re.split(r"(```.*?```|`[^`\n]*`)", markdown, flags=re.DOTALL)
    return "".join(part if part.startswith("`") else _converted(part) for part in parts)


def _converted(text: str) -> str:
    return FORMULA.sub(lambda found: convert(found[1] or found[2], display="block" if found[1] else "inline"), text)
