#include "daemon/nmm/backup_file.h"

#include <criterion/criterion.h>

#include "daemon/protocol/one_time_code.h"
#include "tests/unit/nmm/backup_bench.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;

TestSuite(backup_file, .init = quiet);

namespace {

constexpr protocol::ScryptCost kCheap{.n = 16384};

SecretBuffer text(std::string_view text) {
  return SecretBuffer::copy_of({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

BackupContent sample() {
  NmmNet net(2);
  net.activate_all();
  (void)net.create(2);
  return content_of(net);
}

std::vector<std::uint8_t> sealed(std::string_view secret = "correct horse battery") {
  SeededRandom random(9);
  auto out = seal_backup(sample(), {text(secret), false}, random, kCheap);
  return out ? *out : std::vector<std::uint8_t>{};
}

/// Where the version stands: the last item of the map.
std::vector<std::uint8_t> of_version(std::uint8_t version) {
  auto bytes = sealed();
  bytes.back() = version;
  return bytes;
}

}  // namespace

Test(backup_file, opens_with_its_secret_alone) {
  const auto bytes = sealed();
  const auto opened = open_backup(bytes, text("correct horse battery"));
  cr_assert(opened, "%s", opened ? "" : opened.error().message().c_str());
  cr_assert_eq(opened->nodes.size(), 2U);
  cr_assert(open_backup(bytes, text("correct horse batterz")).error().code == Errc::not_authentic);
  const std::string all(bytes.begin(), bytes.end());
  cr_assert_not(all.contains("asr-1") || all.contains("north"), "names in the clear");
}

Test(backup_file, a_drawn_secret_may_be_typed_as_people_type) {
  SeededRandom random(9);
  const SecretBuffer code = *protocol::generate_code(random);
  const auto bytes = seal_backup(sample(), {code.clone(), true}, random, kCheap);
  const SecretBuffer shown = *protocol::format_code(code);
  cr_assert(open_backup(*bytes, shown));
  std::string typed(shown.reveal().begin(), shown.reveal().end());
  std::ranges::transform(typed, typed.begin(), [](char c) { return c == '-' ? ' ' : std::tolower(c); });
  cr_assert(open_backup(*bytes, text(typed)));
  cr_assert(open_backup(*bytes, text("0000000000")).error().code == Errc::not_authentic);
}

Test(backup_file, secrets_of_an_operator_have_a_length) {
  SeededRandom random(9);
  const BackupContent content = sample();
  for (const std::size_t size : {0U, 15U, 257U})
    cr_assert(seal_backup(content, {text(std::string(size, 'x')), false}, random, kCheap).error().code ==
              Errc::invalid_argument);
}

Test(backup_file, altered_cut_or_grown_it_does_not_open) {
  auto bytes = sealed();
  const SecretBuffer secret = text("correct horse battery");
  // Nothing is tried with a header that is not whole, so that most of these cost no scrypt.
  for (std::size_t size = 0; size < bytes.size(); size += 101)
    cr_assert_not(open_backup(std::span(bytes).first(size), secret), "%zu", size);
  std::size_t tried = 0;
  for (const std::size_t at : {std::size_t{12}, bytes.size() / 3, bytes.size() / 2, bytes.size() - 40}) {
    bytes[at] ^= 1;
    const auto opened = open_backup(bytes, secret);
    cr_assert_not(opened, "byte %zu", at);
    tried += opened.error().code == Errc::not_authentic ? 1U : 0U;
    bytes[at] ^= 1;
  }
  cr_assert_gt(tried, 1U);
  bytes.push_back(0);
  cr_assert(open_backup(bytes, secret).error().code == Errc::malformed);
}

Test(backup_file, the_future_is_refused_by_its_name) {
  const auto later = open_backup(of_version(2), text("correct horse battery"));
  cr_assert(later.error().code == Errc::newer_version);
  cr_assert(later.error().message().contains("newer version"));
  cr_assert(open_backup(of_version(0), text("correct horse battery")).error().code == Errc::malformed);
  const std::vector<std::uint8_t> other{0xa1, 0x61, 'n', 0x01};
  cr_assert(open_backup(other, text("correct horse battery")).error().message().contains("no backup"));
}

Test(backup_file, a_cost_that_would_exhaust_the_machine_is_refused) {
  SeededRandom random(9);
  const auto bytes = seal_backup(sample(), {text("correct horse battery"), false}, random, {.n = 1024});
  cr_assert(open_backup(*bytes, text("correct horse battery")).error().code == Errc::malformed);
}
