"""HTML as its elements, for tests that look into a page."""

import html.parser

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(html.parser.HTMLParser):
    """The elements of a page: (tag, attributes, text in it)."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self._open = [], []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])

    def handle_endtag(self, tag):
        assert self.elements[self._open.pop()][0] == tag

    def handle_data(self, data):
        for place in self._open:
            self.elements[place][2] += data

    def all(self, *tags):
        return [element for element in self.elements if element[0] in tags]

    def text(self, *tags):
        return [" ".join(text.split()) for _, _, text in self.all(*tags)]

    def with_id(self, name):
        (found,) = [text for _, attributes, text in self.elements if attributes.get("id") == name]
        return " ".join(found.split())
