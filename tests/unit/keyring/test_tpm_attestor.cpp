#include "keyring/tpm_attestor.h"

#include <criterion/criterion.h>

#include <fstream>

#include "daemon/crypto/digest.h"
#include "keyring/tpm_templates.h"
#include "tests/support/faulty_tcti.h"
#include "tests/support/run_program.h"
#include "tests/support/swtpm_fixture.h"

using namespace akm;
using namespace akm::keyring;
using akm::test::SwTpm;

namespace {

const std::vector<std::uint8_t> kNonce(32, 5);
constexpr std::uint32_t kMask = 0xff;

std::unique_ptr<SwTpm> software_tpm() {
  if (!akm::test::have_swtpm()) cr_skip("%s", akm::test::kNoSwtpm);
  return std::make_unique<SwTpm>();
}

TpmQuote quote_of(const SwTpm& tpm, std::uint32_t mask = kMask) {
  const auto quote = TpmAttestor(tpm_opener(tpm.tcti()), "/nonexistent").quote(kNonce, mask);
  cr_assert(quote.has_value(), "%s", quote.has_value() ? "" : quote.error().message().c_str());
  return *quote;
}

void save(const std::string& path, const std::vector<std::uint8_t>& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

Test(tpm_attestor, the_key_is_the_same_over_restarts_and_another_in_another_tpm) {
  const auto tpm = software_tpm();
  const auto other = software_tpm();
  const TpmQuote first = quote_of(*tpm);
  tpm->restart();
  cr_assert(quote_of(*tpm).key == first.key);
  cr_assert(quote_of(*other).key != first.key);
  cr_assert(first.log == decltype(first.log){});
}

Test(tpm_attestor, tpm2_tools_take_the_quote) {
  const auto tpm = software_tpm();
  if (!akm::test::have_program("tpm2_checkquote")) cr_skip("tpm2-tools is not installed");
  const TpmQuote quote = quote_of(*tpm);
  const std::string folder = tpm->folder();
  save(folder + "/key", quote.key);
  save(folder + "/quote", quote.quote);
  save(folder + "/signature", quote.signature);
  std::string nonce;
  for (std::size_t i = 0; i < kNonce.size(); ++i) nonce += "05";
  const auto checked =
      akm::test::run_program({"tpm2_checkquote", "-u", folder + "/key", "-m", folder + "/quote", "-s",
                              folder + "/signature", "-q", nonce, "-g", "sha256"});
  cr_assert_eq(checked.exit_code, 0, "%s", checked.output.c_str());
}

Test(tpm_attestor, an_extended_pcr_changes_the_quote) {
  const auto tpm = software_tpm();
  if (!akm::test::have_program("tpm2_pcrextend")) cr_skip("tpm2-tools is not installed");
  // The digest is what the quote ends with.
  const auto digest = [](const TpmQuote& quote) {
    return std::vector<std::uint8_t>(quote.quote.end() - 32, quote.quote.end());
  };
  const auto before = digest(quote_of(*tpm));
  cr_assert(digest(quote_of(*tpm)) == before);
  const std::string extend = "4:sha256=" + std::string(64, 'a');
  cr_assert_eq(akm::test::run_program({"tpm2_pcrextend", "-T", tpm->tcti(), extend}).exit_code, 0);
  cr_assert(digest(quote_of(*tpm)) != before);
  cr_assert(digest(quote_of(*tpm, 0x0f)) == digest(quote_of(*tpm, 0x0f)));
}

Test(tpm_attestor, nothing_stays_in_the_tpm) {
  const auto tpm = software_tpm();
  // More than a TPM has places for objects and sessions.
  for (int i = 0; i < 8; ++i) (void)quote_of(*tpm);
}

Test(tpm_attestor, the_log_is_told_by_its_digest) {
  const auto tpm = software_tpm();
  const std::vector<std::uint8_t> log(10'000, 0x42);
  save(tpm->folder() + "/log", log);
  const auto quote = TpmAttestor(tpm_opener(tpm->tcti()), tpm->folder() + "/log").quote(kNonce, kMask);
  cr_assert(quote.has_value());
  cr_assert(quote->log == crypto::sha256({log}));
}

Test(tpm_attestor, what_is_out_of_bounds_is_refused_before_the_tpm_is_asked) {
  const TpmAttestor attestor([]() -> Result<std::unique_ptr<TpmContext>> { return fail(Errc::tpm_failed); });
  cr_assert_eq(attestor.quote(std::vector<std::uint8_t>(65), kMask).error().code, Errc::invalid_argument);
  cr_assert_eq(attestor.quote(kNonce, 1U << 24).error().code, Errc::invalid_argument);
  cr_assert_eq(attestor.quote(kNonce, kMask).error().code, Errc::tpm_failed);
}

Test(tpm_attestor, a_tpm_is_expected_where_its_device_is_or_another_way_is_named) {
  cr_assert_not(tpm_is_expected("device:/dev/no-such-tpm"));
  cr_assert(tpm_is_expected("device:/dev/null"));
  cr_assert(tpm_is_expected("swtpm:path=/run/x"));
  cr_assert_not(static_cast<bool>(tpm_quoter("device:/dev/no-such-tpm")));
  cr_assert(static_cast<bool>(tpm_quoter("swtpm:path=/run/x")));
}

Test(tpm_attestor, a_quote_that_is_put_off_is_asked_for_again_and_one_that_was_changed_is_refused) {
  const auto tpm = software_tpm();
  int put_off = 0;
  const auto retry = [&put_off](TPM2_CC code) -> std::optional<akm::test::TpmFault> {
    if (code != TPM2_CC_Quote || put_off++ > 0) return std::nullopt;
    return akm::test::TpmFault{};
  };
  cr_assert(TpmAttestor(akm::test::faulty_opener(tpm->tcti(), retry)).quote(kNonce, kMask).has_value());
  cr_assert_geq(put_off, 2);
  // The session authenticates the response: a changed one comes from somebody on the bus to the TPM.
  const auto change = [](TPM2_CC code) -> std::optional<akm::test::TpmFault> {
    if (code != TPM2_CC_Quote) return std::nullopt;
    return akm::test::TpmFault{akm::test::TpmFault::Kind::flip_last_bit};
  };
  const auto changed = TpmAttestor(akm::test::faulty_opener(tpm->tcti(), change)).quote(kNonce, kMask);
  cr_assert_eq(changed.error().code, Errc::tpm_failed);
}
