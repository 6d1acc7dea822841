#include "daemon/service/sealing.h"

#include <deque>

#include "daemon/base/atomic_file.h"
#include "daemon/base/log.h"
#include "daemon/service/startup.h"
#include "keyring/tpm_sealer.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tpm_bench.h"

using namespace akm;
using namespace akm::service;

namespace {

constexpr std::uint32_t kPcr = 7;

// Jobs wait until the test runs them: what the port does at once, and what aside, is told apart.
struct Bench {
  Bench() : tpm(test::software_tpm()) {
    cr_assert(log::open({.target = log::Options::Target::text, .file = folder.file("log")}).has_value());
    settings.state_folder = folder.file("state");
    settings.tcti = tpm->tcti();
    settings.nv_index = test::kCounterIndex;
    test::extend_pcr(*tpm, ESYS_TR_PCR7);
  }
  OpenedState start() { return open_state(settings, random); }
  void run_jobs() {
    while (!jobs.empty()) {
      auto completion = jobs.front()();
      jobs.pop_front();
      completion();
    }
  }
  RunAside run_aside() {
    return [this](keyring::TpmWorker::Job job) -> Status {
      if (jobs.size() == most) return fail(Errc::busy, "queue");
      jobs.push_back(std::move(job));
      return {};
    };
  }
  Status change(Sealing& sealing, bool recover, std::string_view text) {
    std::optional<Status> out;
    SecretBuffer secret =
        SecretBuffer::copy_of({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    const auto done = [&](const Status& status) { out = status; };
    recover ? sealing.recover(std::move(secret), done) : sealing.reseal(std::move(secret), done);
    cr_assert_not(out.has_value(), "the loop does not wait for the TPM");
    run_jobs();
    return *out;
  }

  const test::TemporaryFolder folder;
  std::unique_ptr<test::SwTpm> tpm;
  Settings settings;
  SystemRandom random;
  std::deque<keyring::TpmWorker::Job> jobs;
  std::size_t most = 4;
};

bool found(const OpenedState& state, std::string_view words) {
  return std::ranges::any_of(state.findings, [&](const std::string& one) { return one.contains(words); });
}

}  // namespace

Test(sealing, from_the_configuration_to_the_pcrs_and_back_by_the_secret) {
  Bench bench;
  bench.settings.pcrs = {kPcr};
  {
    const OpenedState first = bench.start();
    cr_assert(first.store != nullptr);
    cr_assert(found(first, "sealed to no PCR, and sealing.pcrs says 7: run akmctl node reseal"));
  }
  Sealing sealing(bench.settings, bench.run_aside(), nullptr);
  cr_assert_eq(bench.change(sealing, false, "short").error().code, Errc::invalid_argument);
  cr_assert(bench.change(sealing, false, "correct horse battery").has_value());
  {
    const OpenedState second = bench.start();
    cr_assert(second.store != nullptr);
    cr_assert(second.findings.empty());
    cr_assert(second.key_storage.ends_with("sealed to PCR 7"), "%s", second.key_storage.c_str());
  }
  test::extend_pcr(*bench.tpm, ESYS_TR_PCR7);
  const OpenedState third = bench.start();
  cr_assert(third.store == nullptr);
  cr_assert(found(third, "PCR 7 is ") && found(third, "akmctl node recover"));
  cr_assert_eq(bench.change(sealing, true, "another horse battery").error().code, Errc::not_authentic);
  cr_assert(bench.change(sealing, true, "correct horse battery").has_value());
  cr_assert(bench.start().store != nullptr);
}

Test(sealing, an_update_that_was_signed_before_does_not_need_the_secret) {
  Bench bench;
  const test::SigningKey key;
  bench.settings.pcrs = {kPcr};
  bench.settings.policy_key = bench.folder.write("policy.pem", key.pem());
  cr_assert(bench.start().store != nullptr);
  Sealing sealing(bench.settings, bench.run_aside(), nullptr);
  cr_assert(bench.change(sealing, false, "correct horse battery").has_value());
  // SHA-256 of the present value and the digest that is extended: what the update will measure.
  std::optional<Result<PcrFacts>> facts;
  sealing.pcrs([&](Result<PcrFacts> got) { facts = std::move(got); });
  bench.run_jobs();
  cr_assert(*facts && (*facts)->mask == 1U << kPcr && (*facts)->policy_key);
  cr_assert((*facts)->sealed == (*facts)->present);
  const test::SwTpm twin;
  test::extend_pcr(twin, ESYS_TR_PCR7);
  test::extend_pcr(twin, ESYS_TR_PCR7);
  keyring::TpmSealer reader(keyring::tpm_opener(twin.tcti()), {test::kCounterIndex});
  const PcrChanges changes{{kPcr, *reader.present_pcrs(1U << kPcr)}};
  std::optional<Result<PcrPrediction>> predicted;
  sealing.predict(changes, [&](Result<PcrPrediction> got) { predicted = std::move(got); });
  bench.run_jobs();
  cr_assert(predicted->has_value());
  std::optional<Status> done;
  sealing.authorise(changes, test::SigningKey().sign((*predicted)->to_sign), [&](Status got) { done = got; });
  bench.run_jobs();
  cr_assert_eq(done->error().code, Errc::not_authentic);
  sealing.authorise(changes, key.sign((*predicted)->to_sign), [&](Status got) { done = got; });
  bench.run_jobs();
  cr_assert(done->has_value());
  cr_assert(bench.start().store != nullptr, "still as sealed");
  test::extend_pcr(*bench.tpm, ESYS_TR_PCR7);
  cr_assert(bench.start().store != nullptr, "as authorised");
  test::extend_pcr(*bench.tpm, ESYS_TR_PCR7);
  cr_assert(bench.start().store == nullptr, "and nothing else");
}

Test(sealing, what_cannot_be_done_is_answered) {
  Bench bench;
  cr_assert(bench.start().store != nullptr);
  Sealing sealing(bench.settings, bench.run_aside(), nullptr);
  std::optional<Result<PcrPrediction>> predicted;
  sealing.predict({}, [&](Result<PcrPrediction> got) { predicted = std::move(got); });
  bench.run_jobs();
  cr_assert_eq(predicted->error().code, Errc::wrong_state);
  bench.most = 0;
  sealing.predict({}, [&](Result<PcrPrediction> got) { predicted = std::move(got); });
  cr_assert_eq(predicted->error().code, Errc::busy);
}

// The old kek.sealed opens without the PCRs; the state tells that it is not the present one.
Test(sealing, an_older_file_that_asks_for_less_is_refused_until_it_is_sealed_anew) {
  Bench bench;
  bench.settings.pcrs = {kPcr};
  const std::string path = bench.folder.file("state") + "/kek.sealed";
  OpenedState first = bench.start();
  const auto old = *read_file(path, 8192);
  Sealing open(bench.settings, bench.run_aside(), nullptr, first.store.get());
  cr_assert(bench.change(open, false, "correct horse battery").has_value());
  first.store.reset();
  const auto present = *read_file(path, 8192);
  cr_assert(write_file_atomically(path, old, 0600).has_value());
  const OpenedState refused = bench.start();
  cr_assert(refused.store == nullptr);
  cr_assert_eq(refused.failure->code, Errc::sealed_unavailable);
  cr_assert(found(refused, "this state was sealed to PCR 7") && found(refused, "akmctl node reseal"));
  cr_assert_not(open_for_next_start(bench.settings, {}).has_value(), "nor at a second try");
  cr_assert(write_file_atomically(path, present, 0600).has_value());
  cr_assert(bench.start().store != nullptr, "the newest one put back");
  cr_assert(write_file_atomically(path, old, 0600).has_value());
  Sealing closed(bench.settings, bench.run_aside(), nullptr);
  cr_assert(bench.change(closed, false, "correct horse battery").has_value());
  cr_assert(bench.start().store != nullptr, "or this one sealed anew");
}

Test(sealing, back_to_no_pcr_and_recovery_to_none_are_no_older_file) {
  Bench bench;
  bench.settings.pcrs = {kPcr};
  OpenedState state = bench.start();
  cr_assert(
      bench
          .change(*std::make_unique<Sealing>(bench.settings, bench.run_aside(), nullptr, state.store.get()),
                  false, "correct horse battery")
          .has_value());
  Settings none = bench.settings;
  none.pcrs = {};
  Sealing back(none, bench.run_aside(), nullptr, state.store.get());
  cr_assert(bench.change(back, false, "correct horse battery").has_value());
  state.store.reset();
  cr_assert((state = bench.start()).store != nullptr, "resealed to none");
  Sealing again(bench.settings, bench.run_aside(), nullptr, state.store.get());
  cr_assert(bench.change(again, false, "correct horse battery").has_value());
  state.store.reset();
  test::extend_pcr(*bench.tpm, ESYS_TR_PCR7);
  cr_assert(bench.start().store == nullptr);
  Sealing closed(none, bench.run_aside(), nullptr);
  cr_assert(bench.change(closed, true, "correct horse battery").has_value());
  cr_assert(bench.start().store != nullptr, "recovered to none");
}

// Whoever can write to the disk and sits at the TPM's bus names a key of their own in kek.sealed.
Test(sealing, another_pinned_key_in_the_file_is_told) {
  Bench bench;
  cr_assert_not(found(bench.start(), "kek.sealed names"));
  OpenedState second = bench.start();
  cr_assert_not(found(second, "kek.sealed names"));
  cr_assert(second.store->write("storage-root", std::vector<std::uint8_t>(34, 1)).has_value());
  second.store.reset();
  cr_assert(found(bench.start(), "The TPM key that kek.sealed names is not the one of the first start"));
}
