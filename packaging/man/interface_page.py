#!/usr/bin/env python3
"""org.akm.Node1(5) and its like, from the XML that is the API: interface_page.py FILE."""
import sys
import xml.dom.minidom

KINDS = {"method": "METHODS", "signal": "SIGNALS", "property": "PROPERTIES"}


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def paragraphs(comment):
    """Lines of a comment; one that begins with @name, or follows an empty line, begins anew."""
    out = []
    new = True
    for line in (one.strip() for one in comment.splitlines()):
        if not line or line.startswith("@") or line.startswith("Errors:"):
            new = True
        if not line:
            continue
        if new:
            out.append(line)
        else:
            out[-1] += " " + line
        new = False
    return out


def signature(node):
    if node.tagName == "property":
        return f"{node.getAttribute('name')}: {node.getAttribute('type')} ({node.getAttribute('access')})"
    ways = {"in": [], "out": []}
    for arg in node.getElementsByTagName("arg"):
        text = f"{arg.getAttribute('type')} {arg.getAttribute('name')}".strip()
        ways[arg.getAttribute("direction") or "in"].append(text)
    out = f"{node.getAttribute('name')}({', '.join(ways['in'])})"
    return out + (f" -> ({', '.join(ways['out'])})" if ways["out"] else "")


def members(interface):
    """(kind, signature, paragraphs): a comment belongs to the element after it."""
    comment = ""
    for node in interface.childNodes:
        if node.nodeType == node.COMMENT_NODE:
            comment = node.data
        elif node.nodeType == node.ELEMENT_NODE:
            if node.tagName in KINDS:
                own = node.getAttribute("name") + ":"
                texts = [one.removeprefix(own).strip() for one in paragraphs(comment)]
                yield node.tagName, signature(node), [one for one in texts if one]
            comment = ""


def element(document):
    return document.getElementsByTagName("interface")[0]


def name_of(document):
    return element(document).getAttribute("name")


def about(document):
    """Paragraphs of the first comment above or in the node."""
    comments = [one.data for one in document.childNodes + document.documentElement.childNodes
                if one.nodeType == one.COMMENT_NODE]
    return paragraphs(comments[0] if comments else "")


def page(document):
    name = name_of(document)
    out = [f'.TH {name} 5 "2026" "AKM" "D\\-Bus interface"', ".SH NAME",
           f"{name} \\- D\\-Bus interface of AKM", ".SH DESCRIPTION"]
    for text in about(document):
        out += [roff(text), ".PP"]
    out += ["Types are those of the D\\-Bus specification. The file",
            f".I /usr/share/dbus\\-1/interfaces/{roff(name)}.xml", "has the same for programs."]
    all_members = list(members(element(document)))
    for kind, title in KINDS.items():
        chosen = [one for one in all_members if one[0] == kind]
        if chosen:
            out.append(f".SH {title}")
        for _, line, texts in chosen:
            out += [".TP", f"\\fB{roff(line)}\\fR"]
            out.append("\n.br\n".join(roff(text) for text in texts) or "\\&")
    out += [".SH SEE ALSO", ".BR akmctl (1),", ".BR busctl (1)"]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    print(page(xml.dom.minidom.parse(sys.argv[1])), end="")
