#include "daemon/nmm/tpm_writing.h"

#include <criterion/criterion.h>

#include <filesystem>
#include <optional>
#include <utility>

#include "tests/support/paper_identity.h"
#include "tests/support/sample_bundle.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::nmm;
using akm::testing::PaperIdentity;

namespace {

struct Bench {
  test::TemporaryFolder drive;
  int made = 0;
  std::string seen;  // of the fingerprint, when the credentials are made

  Result<WrittenForTpm> write(std::vector<std::uint8_t> identity, bool certificate_required) {
    std::optional<Result<WrittenForTpm>> out;
    write_tpm_bundle(
        [](keyring::TpmWorker::Job job) -> Status {
          job()();
          return {};
        },
        {"north", std::move(identity), drive.path(), drive.file("roots"), certificate_required},
        [this](const protocol::NodeIdentity&, const WrittenForTpm& known, service::BundleReply reply) {
          ++made;
          seen = known.fingerprint;
          reply(akm::test::sample_bundle());
        },
        [&out](Result<WrittenForTpm> written) { out = std::move(written); });
    return std::move(*out);
  }
};

}  // namespace

Test(tpm_writing, an_identity_gets_a_bundle_that_is_told_apart) {
  Bench bench;
  const PaperIdentity paper;
  const auto written = bench.write(paper.make().encode(), false);
  cr_assert(written.has_value(), "%s", written ? "" : written.error().message().c_str());
  cr_assert_eq(written->id, 3U);
  cr_assert_eq(written->path, bench.drive.file("north.akmbundle"));
  cr_assert_eq(written->digest.size(), 64U);
  cr_assert_eq(bench.seen, written->fingerprint);
  cr_assert_not(written->certified);
}

Test(tpm_writing, what_is_refused_uses_up_no_serial) {
  Bench bench;
  const PaperIdentity paper;
  cr_assert_eq(bench.write(paper.make().encode(), true).error().code, Errc::refused_by_policy);
  auto altered = paper.make();
  altered.hardware_value[0] ^= 1;
  cr_assert_not(bench.write(altered.encode(), false).has_value());
  cr_assert_not(bench.write({1, 2, 3}, false).has_value());
  cr_assert_eq(bench.made, 0);
  cr_assert(std::filesystem::is_empty(bench.drive.path()));
}
