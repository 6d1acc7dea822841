#include "keyring/token_pin.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>

#include "tests/support/softhsm_fixture.h"
#include "tests/support/temporary_folder.h"

using akm::Errc;
using akm::keyring::parse_pin;
using akm::keyring::read_pin;
using akm::test::secret_of;
using akm::test::TemporaryFolder;

namespace {

std::string text_of(const akm::SecretBuffer& secret) {
  return {secret.reveal().begin(), secret.reveal().end()};
}

std::string private_file(const TemporaryFolder& folder, const std::string& name, const std::string& text) {
  const std::string path = folder.write(name, text);
  cr_assert_eq(::chmod(path.c_str(), 0600), 0);
  return path;
}

}  // namespace

Test(token_pin, one_newline_is_no_part_of_it) {
  cr_assert_eq(text_of(*parse_pin(secret_of("1234\n"))), "1234");
  cr_assert_eq(text_of(*parse_pin(secret_of(" 12 34 "))), " 12 34 ");
  for (const std::string& bad : {std::string(), std::string("\n"), std::string(65, '1'),
                                 std::string("1\0"
                                             "2",
                                             3)}) {
    cr_assert(parse_pin(secret_of(bad)).error().code == Errc::invalid_argument);
  }
}

Test(token_pin, comes_from_a_file_or_a_credential) {
  const TemporaryFolder folder;
  cr_assert_eq(text_of(*read_pin(private_file(folder, "pin", "1234\n"))), "1234");
  cr_assert_eq(text_of(*read_pin(private_file(folder, "long", std::string(64, '1') + "\n"))),
               std::string(64, '1'));
  ::unsetenv("CREDENTIALS_DIRECTORY");
  cr_assert(read_pin("").error().code == Errc::sealed_unavailable);
  (void)private_file(folder, "token-pin", "5678");
  ::setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1);
  cr_assert_eq(text_of(*read_pin("")), "5678");
}

Test(token_pin, a_file_that_will_not_do_is_said) {
  const TemporaryFolder folder;
  cr_assert(read_pin(folder.file("none")).error().code == Errc::sealed_unavailable);
  const std::string open = private_file(folder, "open", "1234");
  cr_assert_eq(::chmod(open.c_str(), 0640), 0);
  cr_assert(read_pin(open).error().code == Errc::wrong_pin);
  cr_assert(read_pin(private_file(folder, "empty", "\n")).error().code == Errc::wrong_pin);
  cr_assert(read_pin(private_file(folder, "big", std::string(1000, '1'))).error().code == Errc::wrong_pin);
}
