"""HTML made plain: what was written now, line by line, without what mail programs mark as quoted."""

from html.parser import HTMLParser

BREAKS = frozenset({"p", "div", "br", "li", "tr", "ul", "ol", "table", "hr", "h1", "h2", "h3", "h4", "h5", "h6"})
SILENT = frozenset({"script", "style", "head", "title", "template"})
QUOTES = frozenset({"blockquote", "includetail"})
QUOTE_CLASSES = frozenset({"gmail_quote", "gmail_quote_container", "yahoo_quoted", "moz-cite-prefix", "ntes_quote"})
QUOTE_IDS = frozenset({"isreplycontent", "divrplyfwdmsg", "original-content"})
VOID = frozenset({"br", "hr", "img", "meta", "link", "input", "col", "area", "base", "wbr"})


def text_of_html(source: str) -> str:
    """The visible lines of the page."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    return "\n".join(" ".join(line.split()) for line in "".join(reader.pieces).split("\n"))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._passed_over = ""  # the tag inside which nothing counts
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._passed_over:
            self._depth += tag == self._passed_over
            return
        if tag in BREAKS | QUOTES:
            self.pieces.append("\n")
        if tag not in VOID and (tag in SILENT | QUOTES or _quotes(dict(attrs))):
            self._passed_over, self._depth = tag, 1

    def handle_endtag(self, tag: str) -> None:
        if self._passed_over:
            self._depth -= tag == self._passed_over
            if not self._depth:
                self._passed_over = ""
        elif tag in BREAKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._passed_over:
            # Line ends in the source are blanks; those on the page come from tags.
            self.pieces.append(data.replace("\r", " ").replace("\n", " "))


def _quotes(attributes: dict[str, str | None]) -> bool:
    classes = (attributes.get("class") or "").lower().split()
    return not QUOTE_CLASSES.isdisjoint(classes) or (attributes.get("id") or "").lower() in QUOTE_IDS
