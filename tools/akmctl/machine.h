#pragma once
// What is read of this machine: its files, below a root that a test may choose, and what its kernel answers.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::ctl {

class Machine {
 public:
  explicit Machine(std::string root = {});

  /// Of at most 64 KiB, without white space at its end. not_found, not_authorized, io_failed.
  [[nodiscard]] Result<std::string> read(const std::string& path) const;
  [[nodiscard]] bool exists(const std::string& path) const;
  [[nodiscard]] std::string path(const std::string& path) const { return root_ + path; }

  // Each answers 0 or an errno.
  std::function<int()> try_io_uring;
  std::function<int()> try_secret_memory;
  /// As adjtimex(2): TIME_ERROR where nobody sets the clock.
  std::function<int()> clock_state;
  /// The TPM's resource manager.
  std::function<Result<UniqueFd>()> open_tpm;
  /// MTU of the way to an address, "192.0.2.1:7400".
  std::function<Result<int>(const std::string& endpoint)> mtu_to;
  struct Ran {
    int exit_code = -1;
    std::string output;  // of both, at most 64 KiB
  };
  /// A program with its arguments, for at most `patience_s`. not_found where there is none.
  std::function<Result<Ran>(const std::vector<std::string>& command, int patience_s)> run;

 private:
  std::string root_;
};

}  // namespace akm::ctl
