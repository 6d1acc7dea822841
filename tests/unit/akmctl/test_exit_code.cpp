#include "tools/akmctl/exit_code.h"

#include <criterion/criterion.h>

#include <fstream>
#include <iterator>
#include <string>

using namespace akm;
using namespace akm::ctl;

Test(exit_code, no_error_is_success) {
  for (std::size_t i = 0; i < kErrcCount; ++i) cr_assert_neq(exit_code(static_cast<Errc>(i)), kExitOk);
}

Test(exit_code, those_that_scripts_tell_apart) {
  cr_assert_eq(exit_code(Errc::invalid_argument), 2);
  cr_assert_eq(exit_code(Errc::unreachable), 3);
  cr_assert_eq(exit_code(Errc::not_authorized), 4);
  cr_assert_eq(exit_code(Errc::timed_out), 5);
  cr_assert_eq(exit_code(Errc::not_found), 6);
  cr_assert_eq(exit_code(Errc::busy), 1);
}

Test(exit_code, each_is_in_the_manual_page) {
  std::ifstream in(AKM_SOURCE_FOLDER "/packaging/man/akmctl.1");
  const std::string page(std::istreambuf_iterator<char>(in), {});
  const std::size_t at = page.find(".SH EXIT STATUS");
  cr_assert_neq(at, std::string::npos);
  const std::string section = page.substr(at, page.find(".SH EXAMPLES") - at);
  for (int code = kExitOk; code <= kExitProblem; ++code)
    cr_expect(section.contains("\n.B " + std::to_string(code) + "\n"), "%d", code);
}
