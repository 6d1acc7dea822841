#pragma once
// Text for people: aligned columns, and lists of facts.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace akm::ctl {

class Table {
 public:
  explicit Table(std::vector<std::string> heads) : rows_{std::move(heads)} {}
  /// As many cells as heads; an empty one is shown as "-".
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  /// Left-aligned, two spaces between columns, no spaces at the end of a line; each line begins with `indent`
  /// spaces.
  [[nodiscard]] std::string text(std::size_t indent = 0) const;
  [[nodiscard]] bool empty() const { return rows_.size() == 1; }

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// "Name:     value" lines with aligned values; a fact with an empty value is left out.
std::string facts(const std::vector<std::pair<std::string, std::string>>& list);
/// Columns that a text takes on a terminal: its code points (wide characters count as one).
std::size_t columns(std::string_view utf8);

}  // namespace akm::ctl
