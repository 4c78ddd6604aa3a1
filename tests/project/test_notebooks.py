"""What objects show of themselves in a notebook: their figures, and names as text."""

from html.parser import HTMLParser

import pytest
from evaluations import evaluation

from lesionkit.checks import Finding, Findings
from lesionkit.data.records import Records

SCRIPT = "<script>alert(1)</script>"
PICTURE = '"><img src=x onerror=1>.jpg'


class Read(HTMLParser):
    """The text of a fragment, and its tags, each of which must be closed in order."""

    def __init__(self, fragment):
        super().__init__()
        self.text, self.tags, self.open = [], set(), []
        self.feed(fragment)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def records():
    return Records((SCRIPT, "nevus"), [PICTURE, "b.jpg"], [0, 1], ["a", "b"], split=["train", "test"])


def findings():
    return Findings("integrity", f"One file: {SCRIPT}", (Finding("damaged", "is cut", (PICTURE,)),))


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        (records(), [SCRIPT, "train", "test", "records: 2 images, 2 classes"]),
        (evaluation(names=(SCRIPT, "b", "c"), substitutions=(SCRIPT,)), ["as shipped", "lesion-clean", SCRIPT, "120"]),
        (evaluation().run, ["val_balanced_accuracy", "0.9000", "Training of resnet50, Frozen: 3 epochs"]),
        (findings(), [PICTURE, "is cut", f"One file: {SCRIPT}", "integrity: 1 finding"]),
        (Findings("leakage", "Nothing."), ["Nothing."]),
    ],
)
def test_each_shows_itself_with_names_as_text(shown, says):
    read = Read(shown._repr_html_())
    assert read.tags <= {"table", "caption", "tr", "th", "td", "p"}
    for words in says:
        assert words in "\n".join(read.text)


def test_an_evaluation_shows_its_intervals_and_what_is_not_known():
    one = evaluation()
    assert f"{one.accuracy:.2%} [" in one._repr_html_()
    bare = type(one)(one.class_names, one.probabilities, one.labels, one.source, one.image_id)
    assert "lesion-clean: not computed" in bare._repr_html_()
