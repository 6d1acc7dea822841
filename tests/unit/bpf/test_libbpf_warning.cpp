#include "bpf/loader/libbpf_warning.h"

#include <criterion/criterion.h>

using namespace akm::bpf;

namespace {

int silent(enum libbpf_print_level, const char*, va_list) noexcept {
  return 0;
}

void fail_to_open() {
  (void)bpf_object__close(bpf_object__open_file("/nonexistent/object", nullptr));
}

}  // namespace

Test(libbpf_warning, keeps_the_reason_and_gives_the_printer_back) {
  (void)libbpf_set_print(&silent);
  {
    const LibbpfWarning warning;
    cr_assert(LibbpfWarning::last().empty());
    fail_to_open();
    cr_assert_not(LibbpfWarning::last().empty());
    cr_assert(LibbpfWarning::last().find('\n') == std::string::npos);
    const LibbpfWarning fresh;
    cr_assert(LibbpfWarning::last().empty());
  }
  fail_to_open();
  cr_assert(LibbpfWarning::last().empty(), "it ended with its owner");
  cr_assert_eq(libbpf_set_print(nullptr), &silent);
}
