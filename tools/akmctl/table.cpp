#include "tools/akmctl/table.h"

#include <algorithm>

namespace akm::ctl {

std::size_t columns(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(
      utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

std::string Table::text(std::size_t indent) const {
  std::vector<std::size_t> widths(rows_.front().size());
  const auto shown = [](const std::string& cell) {
    return cell.empty() ? std::string_view("-") : std::string_view(cell);
  };
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < widths.size() && i < row.size(); ++i)
      widths[i] = std::max(widths[i], columns(shown(row[i])));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line(indent, ' ');
    for (std::size_t i = 0; i < widths.size() && i < row.size(); ++i) {
      const std::string_view cell = shown(row[i]);
      line.append(cell).append(widths[i] + 2 - columns(cell), ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out.append(line).append("\n");
  }
  return out;
}

std::string facts(const std::vector<std::pair<std::string, std::string>>& list) {
  std::size_t width = 0;
  for (const auto& [name, value] : list) width = std::max(width, columns(name));
  std::string out;
  for (const auto& [name, value] : list) {
    if (value.empty()) continue;
    out.append(name).append(":").append(width + 2 - columns(name), ' ').append(value).append("\n");
  }
  return out;
}

}  // namespace akm::ctl
