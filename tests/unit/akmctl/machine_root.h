#pragma once
// A machine of files in a folder, that runs no program and has a TPM only where a test gives it one.
#include <criterion/criterion.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "tools/akmctl/health.h"
#include "tools/akmctl/machine.h"

namespace akm::test {

struct MachineRoot {
  MachineRoot() {
    machine.try_io_uring = [] { return 0; };
    machine.try_secret_memory = [] { return 0; };
    machine.clock_state = [] { return 0; };
    machine.mtu_to = [](const std::string&) { return Result<int>(1500); };
    machine.open_tpm = [](const std::string& tcti) -> Result<UniqueFd> {
      return fail(Errc::not_found, tcti);
    };
    machine.run = [this](const std::vector<std::string>& command, int) -> Result<ctl::Machine::Ran> {
      std::string words;
      for (const std::string& word : command) words += (words.empty() ? "" : " ") + word;
      ran.push_back(words);
      for (const auto& [part, answer] : answers) {
        if (words.contains(part)) return answer;
      }
      return fail(Errc::not_found, command.front());
    };
  }
  void write(const std::string& path, const std::string& text) const {
    (void)folder.write(path.substr(1), text);
  }

  TemporaryFolder folder;
  ctl::Machine machine{folder.path()};
  std::map<std::string, ctl::Machine::Ran> answers;  // by a part of the command
  std::vector<std::string> ran;
};

/// The check of that name; none is a failure of the test.
inline const ctl::Check& named(const ctl::Checks& checks, const std::string& name) {
  for (const ctl::Check& one : checks) {
    if (one.name == name) return one;
  }
  cr_assert_fail("no check of %s", name.c_str());
  std::abort();
}

}  // namespace akm::test
