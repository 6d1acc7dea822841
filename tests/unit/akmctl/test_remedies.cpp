#include "tools/akmctl/remedies.h"

#include <criterion/criterion.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>

using namespace akm::ctl;
using akm::dbus::Service;

namespace {

/// All that the daemons say, with the pieces of a sentence that stand on several lines put together.
std::string all_code() {
  std::string out;
  for (const char* folder : {"daemon", "keyring", "bpf/loader"}) {
    const std::filesystem::path root = std::filesystem::path(AKM_SOURCE_FOLDER) / folder;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      if (entry.path().extension() != ".cpp") continue;
      std::ifstream in(entry.path());
      std::string text(std::istreambuf_iterator<char>(in), {});
      for (std::size_t at = text.find("\"\n"); at != std::string::npos; at = text.find("\"\n", at + 1)) {
        const std::size_t next = text.find_first_not_of(" \n", at + 1);
        if (next != std::string::npos && text[next] == '"') text.erase(at, next + 1 - at);
      }
      out += text;
    }
  }
  return out;
}

}  // namespace

Test(remedies, each_sentence_of_the_table_is_said_by_a_daemon) {
  const std::string code = all_code();
  cr_assert_gt(code.size(), 1'000'000);
  for (const std::string_view part : foreseen())
    cr_expect(code.contains("\"" + std::string(part)) || code.contains(part), "nobody says '%.*s'",
              static_cast<int>(part.size()), part.data());
}

Test(remedies, names_of_the_daemon_are_filled_in) {
  const Check off = check_of_finding(
      Service::nmm, "Probes are switched off by the configuration: nothing is detected locally");
  cr_assert(off.health == Health::warning);
  cr_assert_eq(off.area, "nmm");
  cr_assert(off.remedy.contains("/etc/akm/akm-nmmd.toml, then systemctl restart akm-nmmd"), "%s",
            off.remedy.c_str());
  const Check sealed =
      check_of_finding(Service::root, "The storage key could not be unsealed; nothing was deleted: PCR 7");
  cr_assert(sealed.health == Health::problem);
  cr_assert(sealed.remedy.contains("akmctl root recover"), "%s", sealed.remedy.c_str());
}

Test(remedies, what_nobody_has_foreseen_has_one_too) {
  const Check other = check_of_finding(Service::node, "The moon is full");
  cr_assert(other.health == Health::warning);
  cr_assert_eq(other.says, "The moon is full");
  cr_assert(other.remedy.contains("journalctl -u akmd"), "%s", other.remedy.c_str());
}
