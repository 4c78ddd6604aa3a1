"""Sphinx settings. TensorFlow and Keras are mocked, so that the documentation builds without them."""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
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
html_copy_source = False

autodoc_mock_imports = ["h5py", "keras", "keras_tuner", "tensorboard", "tensorflow"]
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False  # the signature has the types


class BackboneTable(SphinxDirective):
    """A table of every registered backbone, read from the registry; it builds none of them."""

    def run(self) -> list[nodes.Node]:
        """Returns the table."""
        from lesionkit import backbones

        rows = [("name", "parameters", "native preprocessor", "least size", "stages", "paper"), ("---",) * 6]
        rows += [_row(backbones.get(name)) for name in backbones.names()]
        lines = [f"| {' | '.join(row)} |" for row in rows]
        container = nodes.container()
        self.state.nested_parse(StringList(lines, source="backbones"), self.content_offset, container)
        return container.children


def _row(backbone: Any) -> tuple[str, ...]:
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


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers what this file adds."""
    app.add_directive("backbone-table", BackboneTable)
    app.connect("autodoc-process-signature", _shorter)
    return {"parallel_read_safe": True}
