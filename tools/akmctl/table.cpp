#include "tools/akmctl/table.h"

#include <algorithm>

#include "tools/akmctl/screen.h"

namespace akm::ctl {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kWholeWord = 24;  // a word up to this length is not broken: an id, a time, an address

std::string_view shown(const std::string& cell) {
  return cell.empty() ? std::string_view("-") : std::string_view(cell);
}

std::size_t longest_word(std::string_view text) {
  std::size_t longest = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    longest = std::max(longest, columns(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return longest;
}

/// Bytes of the first `width` code points.
std::size_t bytes_of(std::string_view utf8, std::size_t width) {
  std::size_t at = 0;
  for (std::size_t seen = 0; at < utf8.size(); ++at) {
    const bool begins = (static_cast<unsigned char>(utf8[at]) & 0xc0U) != 0x80U;
    if (begins && seen++ == width) break;
  }
  return at;
}

/// Takes from the widest columns until they all fit; false where they cannot.
bool narrow(std::vector<std::size_t>& widths, const std::vector<std::size_t>& least, std::size_t room) {
  std::size_t total = 0;
  for (const std::size_t width : widths) total += width + kGap;
  while (total > room + kGap) {
    std::size_t widest = widths.size();
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (widths[i] > least[i] && (widest == widths.size() || widths[i] > widths[widest])) widest = i;
    }
    if (widest == widths.size()) return false;
    --widths[widest];
    --total;
  }
  return true;
}

/// One line of the screen: the part of each cell that stands on it.
std::string line_of(const std::vector<std::vector<std::string>>& cells,
                    const std::vector<std::size_t>& widths, std::size_t at, std::size_t indent) {
  std::string line(indent, ' ');
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string part = at < cells[i].size() ? cells[i][at] : std::string();
    line.append(part).append(widths[i] + kGap - std::min(columns(part), widths[i] + kGap), ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::size_t columns(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(
      utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

std::vector<std::string> wrap(std::string_view utf8, std::size_t width) {
  std::vector<std::string> lines;
  while (width != 0 && columns(utf8) > width) {
    const std::size_t whole = bytes_of(utf8, width);
    // A space just behind the last column is as good as one before it.
    const std::size_t space = utf8.find_last_of(' ', whole);
    const std::size_t end = space == std::string_view::npos || space == 0 ? whole : space;
    lines.emplace_back(utf8.substr(0, end));
    utf8.remove_prefix(end);
    utf8.remove_prefix(std::min(utf8.find_first_not_of(' '), utf8.size()));
  }
  if (!utf8.empty() || lines.empty()) lines.emplace_back(utf8);
  return lines;
}

std::string Table::text(std::size_t indent) const {
  std::vector<std::size_t> widths(rows_.front().size());
  std::vector<std::size_t> least(widths.size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < widths.size() && i < row.size(); ++i) {
      widths[i] = std::max(widths[i], columns(shown(row[i])));
      least[i] = std::max(least[i], std::min(longest_word(shown(row[i])), kWholeWord));
    }
  }
  const std::size_t room = screen().columns;
  if (room != 0 && (room <= indent || !narrow(widths, least, room - indent))) return as_facts(indent);
  return aligned(widths, indent);
}

std::string Table::aligned(const std::vector<std::size_t>& widths, std::size_t indent) const {
  std::string out;
  for (const auto& row : rows_) {
    std::vector<std::vector<std::string>> cells;
    std::size_t height = 1;
    for (std::size_t i = 0; i < widths.size() && i < row.size(); ++i) {
      cells.push_back(wrap(shown(row[i]), widths[i]));
      height = std::max(height, cells.back().size());
    }
    for (std::size_t at = 0; at < height; ++at) {
      const std::string line = line_of(cells, widths, at, indent);
      out += (&row == &rows_.front() ? paint(Tone::strong, line) : line) + "\n";
    }
  }
  return out;
}

std::string Table::as_facts(std::size_t indent) const {
  std::string out;
  for (std::size_t at = 1; at < rows_.size(); ++at) {
    std::vector<std::pair<std::string, std::string>> list;
    for (std::size_t i = 0; i < rows_.front().size() && i < rows_[at].size(); ++i)
      list.emplace_back(std::string(indent, ' ') + rows_.front()[i], shown(rows_[at][i]));
    out += (at > 1 ? "\n" : "") + facts(list);
  }
  return out;
}

std::string facts(const std::vector<std::pair<std::string, std::string>>& list) {
  constexpr std::size_t kColon = 1;
  std::size_t width = 0;
  for (const auto& [name, value] : list) width = std::max(width, columns(name));
  const std::size_t margin = width + kColon + kGap;
  // Room for a few words at least, or breaking them makes it no better.
  const std::size_t room = screen().columns > margin + kWholeWord ? screen().columns - margin : 0;
  std::string out;
  for (const auto& [name, value] : list) {
    if (value.empty()) continue;
    std::string lead = name + ":" + std::string(margin - columns(name) - kColon, ' ');
    for (const std::string& line : wrap(value, room)) {
      out.append(lead).append(line).append("\n");
      lead.assign(margin, ' ');
    }
  }
  return out;
}

std::string_view first_columns(std::string_view utf8, std::size_t width) {
  return utf8.substr(0, bytes_of(utf8, width));
}

}  // namespace akm::ctl
