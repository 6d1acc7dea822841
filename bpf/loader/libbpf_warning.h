#pragma once
// libbpf explains itself on stderr, where nobody reads it; the last line of it is the reason that people
// need.
#include <bpf/libbpf.h>

#include <string>

namespace akm::bpf {

/// Keeps what libbpf says while it lives, instead of what kept it before. One thread.
class LibbpfWarning {
 public:
  LibbpfWarning();
  ~LibbpfWarning();
  LibbpfWarning(const LibbpfWarning&) = delete;
  LibbpfWarning& operator=(const LibbpfWarning&) = delete;

  /// The first line of the last warning; empty when there was none.
  [[nodiscard]] static const std::string& last();

 private:
  libbpf_print_fn_t before_;
};

}  // namespace akm::bpf
