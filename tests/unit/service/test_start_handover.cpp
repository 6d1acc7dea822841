#include "daemon/service/start_handover.h"

#include <criterion/criterion.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

using namespace akm;
using namespace akm::service;

namespace {

OpenedKey opened() {
  OpenedKey out;
  std::ranges::fill(out.key.reveal_mutable(), std::uint8_t{0x5a});
  out.kind = keyring::SealerKind::tpm;
  out.description = "TPM 2.0";
  out.incarnation = 7;
  out.hardware = keyring::HardwareSources{{"tpm-ek-name", "000b"}, {"dmi-product-uuid", "4c4c"}};
  return out;
}

}  // namespace

Test(start_handover, what_was_found_is_taken_once) {
  cr_assert_not(take_over().has_value());
  cr_assert(hand_over(opened()).has_value());
  const auto found = take_over();
  cr_assert(found && *found);
  cr_assert((*found)->key == opened().key);
  cr_assert_eq((*found)->kind, keyring::SealerKind::tpm);
  cr_assert_eq((*found)->incarnation, 7U);
  cr_assert_eq((*found)->description, "TPM 2.0");
  cr_assert((*found)->hardware == opened().hardware);
  cr_assert_not(take_over().has_value());
}

Test(start_handover, a_reason_is_passed_on_too) {
  cr_assert(hand_over(fail(Errc::sealed_unavailable, "PCR 7")).has_value());
  const auto found = take_over();
  cr_assert(found && !*found);
  cr_assert_eq(found->error().code, Errc::sealed_unavailable);
  cr_assert_eq(found->error().detail, "PCR 7");
}

/// The program after exec has the descriptor and the environment, and no more.
Test(start_handover, it_goes_through_exec) {
  cr_assert(hand_over(opened()).has_value());
  const std::string number = ::getenv("AKM_OPENED");
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string test = "test -e /proc/self/fd/" + number;
    ::execl("/bin/sh", "sh", "-c", test.c_str(), nullptr);
    ::_exit(1);
  }
  int status = 1;
  (void)::waitpid(child, &status, 0);
  cr_assert_eq(status, 0);
}

Test(start_handover, what_nobody_prepared_is_left_alone) {
  for (const char* text : {"", "x", "-1", "0", "1", "3x", "99999"}) {
    (void)::setenv("AKM_OPENED", text, 1);
    cr_assert_not(take_over().has_value(), "%s", text);
    cr_assert_null(::getenv("AKM_OPENED"));
  }
  OpenedKey large = opened();
  large.description = std::string(10'000, 'x');
  cr_assert_eq(hand_over(std::move(large)).error().code, Errc::too_large);
  cr_assert_not(take_over().has_value());
}
