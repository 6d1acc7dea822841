#pragma once
// D18: code in our own process that is neither our program nor a library of it, and settings that would put
// it there at the next start.
#include <string>
#include <vector>

#include "daemon/watch/baseline.h"
#include "daemon/watch/watch.h"

namespace akm::watch {

/// Executable mappings of /proc/PID/maps by name: a path, "[vdso]", "anonymous". Each once.
std::vector<std::string> executable_mappings(std::string_view maps);

class OwnCode final : public Watch {
 public:
  /// `folders`: whose libraries may be loaded later beside those of the folders that hold some at the start
  /// (a PKCS#11 module, a TPM driver of another vendor). `root`: "" or a folder with proc/self/maps and etc.
  explicit OwnCode(std::vector<std::string> folders, std::string root = "")
      : folders_(std::move(folders)), root_(std::move(root)) {}
  void look(Instant now, const Tell& tell) override;

 private:
  [[nodiscard]] bool is_library(const std::string& path) const;
  void look_at_mappings(Instant now, const Tell& tell);
  void look_at_settings(Instant now, const Tell& tell);

  std::vector<std::string> folders_;
  std::string root_;
  Baseline settings_;
  std::vector<std::string> known_;
  bool ready_ = false;
};

}  // namespace akm::watch
