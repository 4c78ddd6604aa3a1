"""Where the tests find the project's own files, and the module layout that docs/architecture.md lists."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent


def layout():
    """The floors, families (ending in ``/``) and files of the ground in the order of docs/architecture.md."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    lines = page.partition("## Module layout")[2].partition("```text\n")[2].partition("```")[0].splitlines()
    return [name for line in lines for name in re.match(r"(?:\w+ ?\w+  +| {13})((?:\w+/? )+) ", line)[1].split()]
