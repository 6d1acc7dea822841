#pragma once
// Text for people: aligned columns, and lists of facts. Both fit the screen (screen.h) by breaking lines
// between words; nothing is cut off.
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
  /// spaces. Where the columns cannot fit the screen, each row is a list of facts instead.
  [[nodiscard]] std::string text(std::size_t indent = 0) const;
  [[nodiscard]] bool empty() const { return rows_.size() == 1; }

 private:
  [[nodiscard]] std::string aligned(const std::vector<std::size_t>& widths, std::size_t indent) const;
  [[nodiscard]] std::string as_facts(std::size_t indent) const;

  std::vector<std::vector<std::string>> rows_;
};

/// "Name:     value" lines with aligned values; a fact with an empty value is left out.
std::string facts(const std::vector<std::pair<std::string, std::string>>& list);
/// Columns that a text takes on a terminal: its code points (wide characters count as one).
std::size_t columns(std::string_view utf8);
/// So many columns of it from the left.
std::string_view first_columns(std::string_view utf8, std::size_t width);
/// Lines of at most `width` columns, broken at spaces, and within a word only where it is longer than a line.
/// `width` 0: one line.
std::vector<std::string> wrap(std::string_view utf8, std::size_t width);

}  // namespace akm::ctl
