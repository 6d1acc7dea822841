#include "tools/akmctl/metric_table.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>

using namespace akm::ctl;

namespace {

// "akm_{node,nmm}_x" -> both.
std::set<std::string> spelled_out(const std::string& text) {
  const std::size_t open = text.find('{');
  if (open == std::string::npos) return {text};
  const std::size_t close = text.find('}');
  std::set<std::string> out;
  for (std::size_t at = open + 1; at < close;) {
    const std::size_t end = std::min(text.find(',', at), close);
    out.insert(text.substr(0, open) + text.substr(at, end - at) + text.substr(close + 1));
    at = end + 1;
  }
  return out;
}

/// "name | type | labels | meaning" of each row of the document.
std::set<std::string> documented() {
  std::ifstream file(std::string(AKM_SOURCE_FOLDER) + "/docs/metrics.md");
  std::set<std::string> out;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| `")) continue;
    const std::size_t end = line.find('`', 3);
    for (const std::string& name : spelled_out(line.substr(3, end - 3)))
      out.insert(name + line.substr(end + 1));
  }
  return out;
}

std::set<std::string> made() {
  std::set<std::string> out;
  for (const Metric& one : metric_table()) {
    for (const Subject subject : {Subject::node, Subject::nmm, Subject::root, Subject::asr}) {
      if (!one.of(subject)) continue;
      std::string name = full_name(subject, one.family);
      if (one.kind == MetricKind::counter) name += "_total";
      if (one.kind == MetricKind::info) name += "_info";
      name.append(" | ").append(kind_name(one.kind)).append(" | ").append(one.labels);
      out.insert(name.append(" | ").append(one.help).append(" |"));
    }
  }
  return out;
}

}  // namespace

Test(metric_table, the_document_has_these_names_and_no_others) {
  const std::set<std::string> in_document = documented();
  const std::set<std::string> in_code = made();
  for (const std::string& one : in_code)
    cr_expect(in_document.contains(one), "not in docs/metrics.md: %s", one.c_str());
  for (const std::string& one : in_document)
    cr_expect(in_code.contains(one), "only in docs/metrics.md: %s", one.c_str());
  cr_assert_gt(in_code.size(), 100);
}

Test(metric_table, names_and_texts_are_of_the_format_and_stand_once) {
  std::set<std::string> seen;
  for (const Metric& one : metric_table()) {
    for (const char c : one.family) cr_expect((c >= 'a' && c <= 'z') || c == '_');
    cr_expect_not(one.family.ends_with("_total") || one.family.ends_with("_info"));
    cr_expect_eq(one.help.find_first_of("\\\"\n|"), std::string_view::npos);
    cr_expect(!one.help.empty() && one.subjects != 0);
    cr_expect_eq(one.source.ends_with('_'), !one.source.empty() && !one.labels.empty());
    for (const Subject subject : {Subject::node, Subject::nmm, Subject::root, Subject::asr}) {
      if (one.of(subject)) cr_expect(seen.insert(full_name(subject, one.family)).second);
    }
  }
}
