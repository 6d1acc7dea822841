#include "bpf/loader/libbpf_warning.h"

#include <array>
#include <cstdarg>
#include <cstdio>

namespace akm::bpf {
namespace {

std::string& kept() {
  static std::string text;
  return text;
}

[[gnu::format(printf, 2, 0)]] int keep(enum libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  std::array<char, 256> line{};
  (void)std::vsnprintf(line.data(), line.size(), format, arguments);
  // The verifier's log comes as one warning of many lines.
  const std::string text(line.data());
  kept() = text.substr(0, text.find('\n'));
  return 0;
}

}  // namespace

LibbpfWarning::LibbpfWarning() : before_(libbpf_set_print(&keep)) {
  kept().clear();
}

LibbpfWarning::~LibbpfWarning() {
  (void)libbpf_set_print(before_);
}

const std::string& LibbpfWarning::last() {
  return kept();
}

}  // namespace akm::bpf
