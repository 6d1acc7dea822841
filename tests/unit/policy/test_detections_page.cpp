// packaging/man/akm-detections.7 is written by hand, except its table, which is the catalogue's.
#include <criterion/criterion.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "daemon/policy/catalogue.h"

using namespace akm::policy;

namespace {

std::string page() {
  std::ifstream file(AKM_DETECTIONS_PAGE);
  std::stringstream out;
  out << file.rdbuf();
  return out.str();
}

std::string roff(std::string_view text) {
  std::string out;
  for (const char one : text) out += one == '-' ? std::string("\\-") : std::string(1, one);
  return out;
}

int number(const CatalogueEntry& entry) {
  int out = 1000;  // what is no row of the design stands last
  if (entry.row.starts_with('D'))
    (void)std::from_chars(entry.row.data() + 1, entry.row.data() + entry.row.size(), out);
  return out;
}

std::string table() {
  std::vector<CatalogueEntry> entries(std::begin(kCatalogue), std::end(kCatalogue));
  std::ranges::sort(entries, {},
                    [](const CatalogueEntry& entry) { return std::pair(number(entry), entry.detection); });
  std::string out = ".TS\nl l l l.\nRow\tClass\tGrade\tATT&CK\n";
  for (const CatalogueEntry& entry : entries) {
    out += std::string(entry.row) + "\t" + roff(entry.name) + "\t" + std::string(grade_name(entry.ceiling)) +
           "\t" + roff(entry.attack) + "\n";
  }
  return out + ".TE\n";
}

}  // namespace

Test(detections_page, its_table_is_the_catalogue) {
  const std::string text = page();
  const std::size_t begin = text.find(".TS\n");
  const std::size_t end = text.find(".TE\n");
  cr_assert(begin != std::string::npos && end != std::string::npos);
  const std::string found = text.substr(begin, end + 4 - begin);
  cr_assert(found == table(), "The table has to be:\n%s", table().c_str());
}

Test(detections_page, every_row_says_what_it_means_what_causes_it_and_what_to_do) {
  const std::string text = page();
  for (int row = 1; row <= 33; ++row) {
    const std::size_t begin = text.find(".SS D" + std::to_string(row) + ": ");
    cr_assert(begin != std::string::npos, "D%d", row);
    const std::string section = text.substr(begin, text.find("\n.S", begin + 1) - begin);
    cr_assert(section.find("\nInnocent causes\n") != std::string::npos, "D%d", row);
    cr_assert(section.find("\nWhat to do\n") != std::string::npos, "D%d", row);
    for (const CatalogueEntry& entry : kCatalogue) {
      if (number(entry) == row) cr_assert(section.find(roff(entry.name)) != std::string::npos, "D%d", row);
    }
  }
}
