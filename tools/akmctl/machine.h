#pragma once
// What is read of this machine: its files, below a root that a test may choose, and what its kernel answers.
#include <sys/stat.h>

#include <functional>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::ctl {

class Machine {
 public:
  static constexpr std::size_t kOutputBytes = std::size_t{4} << 20;

  explicit Machine(std::string root = {});

  /// The first MiB, without white space at its end. not_found, not_authorized, io_failed.
  [[nodiscard]] Result<std::string> read(const std::string& file) const;
  [[nodiscard]] bool exists(const std::string& file) const;
  /// Of what a link leads to. Errors as read().
  [[nodiscard]] Result<struct stat> look(const std::string& file) const;
  [[nodiscard]] std::string path(const std::string& file) const { return root_ + file; }

  // Each answers 0 or an errno.
  std::function<int()> try_io_uring;
  std::function<int()> try_secret_memory;
  /// As adjtimex(2): TIME_ERROR where nobody sets the clock, -1 where it is not told.
  std::function<int()> clock_state;
  /// By its TCTI string: a device, or swtpm's local socket. not_found, not_authorized, busy, io_failed;
  /// not_supported for other ways.
  std::function<Result<UniqueFd>(const std::string& tcti)> open_tpm;
  /// MTU of the way to an address, "192.0.2.1:7400".
  std::function<Result<int>(const std::string& endpoint)> mtu_to;
  struct Ran {
    int exit_code = -1;
    std::string output;  // each at most kOutputBytes
    std::string errors = {};
    /// In a line, what it has to say of its failure.
    [[nodiscard]] std::string complaint() const;
  };
  /// A program with its arguments, for at most `patience_s`. not_found where there is none.
  std::function<Result<Ran>(const std::vector<std::string>& command, int patience_s)> run;

 private:
  std::string root_;
};

}  // namespace akm::ctl
