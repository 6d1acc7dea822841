#pragma once
// Just enough XML to compare two descriptions of an interface: elements with attributes, comments apart.
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace akm::test {

struct XmlTag {
  std::string name;  // "/method" for an end
  std::map<std::string, std::string> attributes;
  bool empty = false;   // <x/>
  std::string comment;  // text of the comment right before it
};

inline std::vector<XmlTag> xml_tags(std::string_view text) {
  std::vector<XmlTag> tags;
  std::string comment;
  while (true) {
    const std::size_t start = text.find('<');
    if (start == std::string_view::npos) return tags;
    text.remove_prefix(start);
    if (text.starts_with("<!--")) {
      const std::size_t end = text.find("-->");
      comment = text.substr(4, end - 4);
      text.remove_prefix(end + 3);
      continue;
    }
    const std::size_t end = text.find('>');
    std::string_view inside = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (inside.starts_with('!') || inside.starts_with('?')) continue;
    XmlTag tag;
    if (inside.ends_with('/')) {
      tag.empty = true;
      inside.remove_suffix(1);
    }
    const std::size_t name_end = inside.find_first_of(" \n");
    tag.name = inside.substr(0, name_end);
    tag.comment = std::exchange(comment, {});
    while (true) {
      const std::size_t equals = inside.find("=\"");
      if (equals == std::string_view::npos) break;
      const std::size_t key = inside.find_last_of(" \n", equals) + 1;
      const std::size_t close = inside.find('"', equals + 2);
      tag.attributes[std::string(inside.substr(key, equals - key))] =
          inside.substr(equals + 2, close - equals - 2);
      inside.remove_prefix(close + 1);
    }
    tags.push_back(std::move(tag));
  }
}

/// The members of an interface, one line each: "method X in:name:type out:name:type", "signal ...", "property
/// ...".
inline std::set<std::string> interface_members(std::string_view xml, const std::string& interface) {
  std::set<std::string> members;
  std::string member;
  bool inside = false;
  for (const XmlTag& tag : xml_tags(xml)) {
    const auto get = [&](const char* key, const char* standard) {
      const auto at = tag.attributes.find(key);
      return at == tag.attributes.end() ? std::string(standard) : at->second;
    };
    if (tag.name == "interface") inside = get("name", "") == interface;
    if (!inside) continue;
    if (tag.name == "method" || tag.name == "signal" || tag.name == "property") {
      member = tag.name + " " + get("name", "");
      if (tag.name == "property") member += " " + get("type", "") + " " + get("access", "");
    } else if (tag.name == "arg") {
      member += " " + get("direction", member.starts_with("signal") ? "out" : "in") + ":" + get("name", "") +
                ":" + get("type", "");
    } else if (tag.name == "annotation") {
      // An unprivileged vtable entry is not an annotation; "true" is the default for change signals.
      if (get("value", "") != "true") member += " " + get("name", "") + "=" + get("value", "");
    }
    const bool ends = tag.name == "/method" || tag.name == "/signal" || tag.name == "/property";
    if ((ends || (tag.empty && tag.name != "arg" && tag.name != "annotation")) && !member.empty()) {
      members.insert(std::exchange(member, {}));
    }
  }
  return members;
}

}  // namespace akm::test
