"""What a page says, read without a browser: its forms and their fields, its links, its texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

# Elements without an end tag (HTML, section 13.1.2).
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_INLINE = {"a", "b", "em", "mark", "span", "strong", "wbr"}
# How a receipt begins: all processes of one host are one verifier, those with a lease are counted.
EVERY_VERIFIER = "(?:every verifier|all 2 verifiers)"
_HEADINGS = {"h1", "h2", "h3", "h4"}


@dataclass
class Element:
    """One element with what is in it."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def get(self, name: str, default: str = "") -> str:
        return self.attributes.get(name, default)

    @property
    def text(self) -> str:
        """All text in it, white space made single."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> list[str]:
        found = []
        for child in self.children:
            if isinstance(child, str):
                found.append(child)
            elif child.tag not in {"script", "style"}:
                # Words of two blocks are two words.
                found += [*child._texts(), "" if child.tag in _INLINE else " "]
        return found

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Every element in it with this tag and these attributes; `class_` names one of its classes."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if (not tag or child.tag == tag) and all(child._has(*each) for each in attributes.items()):
                    found.append(child)
                found += child.all(tag, **attributes)
        return found

    def one(self, tag: str = "", **attributes: str) -> Element:
        """The only such element."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of {tag} {attributes} in {self.text[:2000]}"
        return found[0]

    def _has(self, name: str, value: str) -> bool:
        if name == "class_":
            return value in self.get("class").split()
        return self.attributes.get(name.replace("_", "-")) == value


@dataclass
class Form:
    """A form as a browser would send it, before anyone has typed."""

    element: Element

    @property
    def action(self) -> str:
        return self.element.get("action")

    @property
    def method(self) -> str:
        return self.element.get("method", "get").lower()

    @property
    def values(self) -> dict[str, str]:
        """What its fields hold now; disabled ones and boxes that are not ticked are not sent."""
        found = {}
        for each in self.element.all():
            if "name" not in each.attributes or "disabled" in each.attributes:
                continue
            if each.tag == "input":
                is_off = each.get("type") in {"radio", "checkbox"} and "checked" not in each.attributes
                if not is_off and each.get("type") != "submit":
                    found[each["name"]] = each.get("value")
            elif each.tag == "textarea":
                found[each["name"]] = "".join(child for child in each.children if isinstance(child, str))
            elif each.tag == "select":
                options = each.all("option")
                for option in [option for option in options if "selected" in option.attributes] or options[:1]:
                    found[each["name"]] = option.get("value", option.text)
        return found

    @property
    def csrf(self) -> str:
        return self.values["csrf"]

    def field(self, name: str) -> Element:
        """The one field with this name."""
        found = [each for each in self.element.all() if each.get("name") == name]
        assert len(found) == 1, f"{len(found)} fields {name}"
        return found[0]


class Page(HTMLParser):
    """A page.

    Args:
        text: its HTML.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("document")
        self._open = [self.root]
        self.feed(text)
        self.close()
        # Our own templates close what they open; a page that does not is broken.
        assert self._open == [self.root], f"not closed: {[each.tag for each in self._open[1:]]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        return self.root.all(tag, **attributes)

    def one(self, tag: str = "", **attributes: str) -> Element:
        return self.root.one(tag, **attributes)

    @property
    def title(self) -> str:
        return self.one("title").text

    @property
    def text(self) -> str:
        return self.one("body").text

    @property
    def main(self) -> str:
        """What the page itself says, without bar and navigation."""
        return self.one("main").text

    @property
    def headings(self) -> list[str]:
        return [each.text for each in self.all() if each.tag in _HEADINGS]

    @property
    def links(self) -> list[str]:
        return [each["href"] for each in self.all("a") if "href" in each.attributes]

    @property
    def forms(self) -> list[Form]:
        return [Form(each) for each in self.all("form")]

    def form(self, action: str) -> Form:
        """The one form that is sent to this address."""
        found = [form for form in self.forms if form.action == action]
        assert len(found) == 1, f"{len(found)} forms for {action}, of {[form.action for form in self.forms]}"
        return found[0]

    @property
    def notices(self) -> list[str]:
        return [each.text for each in self.all(class_="notice")]

    @property
    def faults(self) -> dict[str, str]:
        """What is said to be wrong, by field."""
        return {each["id"].removesuffix("-fault"): each.text for each in self.all(class_="fault")}

    @property
    def csrf(self) -> str:
        """What any form of this page carries."""
        return next(form.csrf for form in self.forms if "csrf" in form.values)

    def rows(self) -> list[dict[str, str]]:
        """The rows of its only table, by the heading of each column."""
        table = self.one("table")
        names = [each.text for each in table.one("thead").all("th")]
        return [
            dict(zip(names, [cell.text for cell in row.children if isinstance(cell, Element)], strict=True))
            for row in table.one("tbody").all("tr")
        ]
