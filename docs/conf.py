"""Sphinx settings. TensorFlow and Keras are mocked, so that the documentation builds without them.

``-D draw_pictures=1`` draws the pictures of docs/pictures first, which needs lesionkit with all that it is made of.
"""

import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.ext.autodoc.mock import mock
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT / "src"))

project = "lesionkit"
release = version = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"lesionkit {release}"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_copy_source = False
html_show_copyright = False

autodoc_mock_imports = ["h5py", "keras", "keras_tuner", "tensorboard", "tensorflow"]
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False  # the signature has the types

nitpicky = True  # a name that is not found is a warning, but for those of others, and constants beside what is told
nitpick_ignore_regex = [(r"py:.*", r"(?!lesionkit\b).*")]


class FamilyTable(SphinxDirective):
    """A table of every registered member of a family, read from its registry; it builds none of them."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Returns the table."""
        self.env.note_reread()  # the registry may have changed
        family = self.arguments[0]
        with mock(autodoc_mock_imports):
            registry = importlib.import_module(f"lesionkit.{family}")
            members = {name: registry.get(name) for name in registry.names()}
        if family == "backbones":
            rows = [("name", "parameters", "native preprocessor", "least size", "stages", "paper"), ("---",) * 6]
            rows += map(_backbone, members.values())
        else:
            rows = [("name", "what it does", "options"), ("---",) * 3]
            rows += [_member(name, member) for name, member in members.items()]
        lines = [f"| {' | '.join(row)} |" for row in rows]
        container = nodes.container()
        self.state.nested_parse(StringList(lines, source=family), self.content_offset, container)
        return container.children


def _member(name: str, member: Any) -> tuple[str, ...]:
    """Returns the row of a member that is a function or a class: the first sentence of its docstring, its options."""
    role = "class" if inspect.isclass(member) else "func"
    told = re.sub(r":(\w+):`", r"{\1}`", inspect.getdoc(member).partition("\n")[0])
    parameters = inspect.signature(member).parameters.values()
    options = [one for one in parameters if one.kind is one.KEYWORD_ONLY or one.default is not one.empty]
    shown = (one.name if one.default is one.empty else f"{one.name}={_default(one.default)}" for one in options)
    target = f"{member.__module__}.{member.__qualname__}"
    return f"{{{role}}}`{name} <{target}>`", told, ", ".join(f"`{one}`" for one in shown)


def _default(value: Any) -> str:
    shown = repr(value)
    return "..." if "<" in shown or len(shown) > 30 else shown


def _backbone(backbone: Any) -> tuple[str, ...]:
    native = backbone.native.name
    if backbone.native.options:
        native += "(" + ", ".join(f"{key}={value:g}" for key, value in backbone.native.options.items()) + ")"
    stages = ", ".join(stage.name for stage in backbone.stages)
    return (
        f"`{backbone.name}`",
        f"{backbone.parameters:,}",
        f"`{native}`",
        str(backbone.min_size),
        f"{len(backbone.stages)}: {stages}",
        re.sub(r"arXiv:([\d.]+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", backbone.source),
    )


def _shorter(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, text: str | None, result: str | None) -> Any:
    """Writes types as the source has them, where Python spells an alias out, and ``...`` for a default that is made."""
    for pattern, short in _SHORTER:
        text, result = (value and re.sub(pattern, short, value) for value in (text, result))
    return text, result


_SHORTER = (
    (r"~?\b(?:typing|collections\.abc|os|pathlib|numpy(?:\.\w+)*)\.(?=[A-Za-z_])", ""),
    (r"\bndarray\[tuple\[Any, \.\.\.\], dtype\[((?:[^\[\]]|\[\w+\])*)\]\]", r"NDArray[\1]"),
    (r"_Buffer \| _SupportsArray.*?_NestedSequence\[complex \| bytes \| str\]", "ArrayLike"),
    ("<factory>", "..."),
)


def _shown(app: Sphinx, env: Any, node: Any, content: Any) -> Any:
    """Finds a public name that a docstring calls by its home, or by itself, where the reference shows it."""
    from lesionkit import _HOMES, _MODULES

    target = node.get("reftarget", "")
    shown = target
    for name, home in _HOMES.items():
        shown = re.sub(rf"^(?:lesionkit\.{re.escape(home)}\.)?{name}(?=$|\.)", f"lesionkit.{name}", shown)
    for name, home in _MODULES.items():  # the reference shows these where they stand
        shown = re.sub(rf"^lesionkit\.{name}(?=$|\.)", f"lesionkit.{home}", shown)
    if node.get("refdomain") != "py" or shown == target:
        return None
    kind, domain = node["reftype"], env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, kind, shown, node, content)


class _Page(HTMLParser):
    """The places of a page that a link can lead to, and where its own links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, _tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Notes an element's place and its links."""
        found = dict(attributes)
        self.places |= {value for value in (found.get("id"), found.get("name")) if value}
        self.links |= {value for value in (found.get("href"), found.get("src")) if value}


def _check_links(app: Sphinx, error: Exception | None) -> None:
    """Warns of each link inside the built pages that leads nowhere."""
    if error or app.builder.name != "html":
        return
    out = Path(app.outdir)
    pages = {path.resolve(): _Page(path.read_text(encoding="utf-8")) for path in out.rglob("*.html")}
    for path, page in pages.items():
        for link in sorted(page.links):
            address, place = urldefrag(link)
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            lost = place and target in pages and unquote(place) not in pages[target].places
            if lost or not target.exists():
                logging.getLogger(__name__).warning("%s links to %s, which is not there", path.relative_to(out), link)


def _draw_pictures(app: Sphinx) -> None:
    if app.config.draw_pictures:
        for script in sorted(Path(app.srcdir, "pictures").glob("*.py")):
            subprocess.run([sys.executable, str(script)], check=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers what this file adds."""
    app.add_directive("family-table", FamilyTable)
    app.add_config_value("draw_pictures", default=False, rebuild="")
    app.connect("builder-inited", _draw_pictures)
    app.connect("missing-reference", _shown)
    app.connect("autodoc-process-signature", _shorter)
    app.connect("build-finished", _check_links)
    return {"parallel_read_safe": True}
