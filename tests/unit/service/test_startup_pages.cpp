#include "daemon/service/startup_pages.h"

#include <criterion/criterion.h>
#include <link.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "daemon/crypto/digest.h"

using namespace akm;

namespace {

/// KiB of pages of files that are mapped now.
std::size_t file_pages() {
  std::ifstream status("/proc/self/status");
  std::string word;
  std::size_t kib = 0;
  while (status >> word) {
    if (word == "RssFile:") status >> kib;
  }
  return kib;
}

/// Reads a byte of each page of an object; some lie between two variables, which AddressSanitizer would not
/// have.
[[gnu::no_sanitize_address]] int touch(dl_phdr_info* object, std::size_t /*size*/, void* out) {
  for (std::size_t i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_R) == 0) continue;
    const auto* bytes = reinterpret_cast<const volatile std::uint8_t*>(object->dlpi_addr + segment.p_vaddr);
    for (std::size_t at = 0; at < segment.p_filesz; at += 4096) *static_cast<std::size_t*>(out) += bytes[at];
  }
  return 0;
}

/// Reads each page of all code and constants, as a busy start would.
std::size_t touch_all() {
  std::size_t sum = 0;
  (void)dl_iterate_phdr(touch, &sum);
  return sum;
}

int g_written = 7;  // in a writable segment: it must survive

}  // namespace

Test(startup_pages, code_that_is_not_used_leaves_and_all_of_it_still_works) {
  g_written = 8;
  cr_assert_gt(touch_all(), 0);
  const std::size_t before = file_pages();
  cr_assert_gt(service::release_startup_pages(), std::size_t{1} << 20);
  const std::size_t after = file_pages();
  cr_assert_lt(after, before / 2, "%zu KiB before, %zu after", before, after);
  cr_assert_eq(g_written, 8);
  const std::uint8_t text[] = {'a', 'b', 'c'};
  cr_assert_eq(crypto::sha256({text})[0], 0xba);
  cr_assert_gt(touch_all(), 0);  // every page comes back
}
