#include "daemon/service/second_try.h"

#include <criterion/criterion.h>

#include <cstdlib>
#include <filesystem>
#include <future>

#include "daemon/base/log.h"
#include "daemon/service/startup.h"
#include "keyring/sealer_factory.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;

namespace {

Settings software(const test::TemporaryFolder& folder) {
  cr_assert(log::open({.target = log::Options::Target::text, .file = folder.file("log")}).has_value());
  Settings settings;
  settings.state_folder = folder.file("state");
  settings.sealing = SealingChoice::software;
  settings.nv_index = keyring::kDefaultNvIndex;
  return settings;
}

}  // namespace

Test(second_try, what_does_not_pass_by_itself_is_not_tried_again) {
  for (const Errc code :
       {Errc::disk_full, Errc::read_only, Errc::tpm_failed, Errc::token_failed, Errc::sealed_unavailable}) {
    cr_assert(may_pass(code));
  }
  for (const Errc code : {Errc::state_corrupt, Errc::config_invalid, Errc::exhausted, Errc::wrong_pin}) {
    cr_assert_not(may_pass(code));
  }
}

Test(second_try, what_was_opened_for_the_next_start_is_counted_once_and_leaves_nothing) {
  const test::TemporaryFolder folder;
  const Settings settings = software(folder);
  SystemRandom random;
  OpenedState first = open_state(settings, random);
  cr_assert(first.store != nullptr);
  cr_assert_eq(open_for_next_start(settings, {}).error().code, Errc::busy, "the first has the folder");
  const auto incarnation = first.engine.incarnation;
  first.store.reset();
  cr_assert(hand_over(open_for_next_start(settings, {})).has_value());
  const OpenedState second = open_state(settings, random);
  cr_assert_eq(second.engine.incarnation, incarnation + 1);
  cr_assert_eq(second.store->list().value(), (std::vector<std::string>{"format", "start"}));
}

Test(second_try, a_state_that_does_not_open_is_looked_at_again_later) {
  const test::TemporaryFolder folder;
  Settings settings = software(folder);
  settings.state_folder = folder.write("file", "content");
  const auto loop = io::Loop::create(io::BackendChoice::epoll);
  cr_assert(loop.has_value());
  AsideWorker worker(**loop);
  int tries = 0;
  SecondTry tried(**loop, settings, [&](keyring::TpmWorker::Job job) {
    ++tries;
    return worker.run(std::move(job));
  });
  int turns = 0;
  (*loop)->add_deadline(
      [due = boottime_now() + kSecondTryFirst + std::chrono::milliseconds(50)] { return std::optional(due); },
      [&] {
        ++turns;
        (*loop)->stop();
      });
  cr_assert((*loop)->run().has_value());
  cr_assert_eq(turns, 1, "the program goes on");
  cr_assert_eq(tries, 1, "aside");
  cr_assert_eq(std::filesystem::file_size(folder.file("file")), 7);
}

Test(second_try, a_program_that_starts_itself_anew_in_vain_does_so_less_and_less_often) {
  (void)::unsetenv("AKM_STARTED_ANEW");
  cr_assert_eq(started_anew(), 0U);
  (void)::setenv("AKM_STARTED_ANEW", "3", 1);
  cr_assert_eq(started_anew(), 3U);
  (void)::setenv("AKM_STARTED_ANEW", "4000000000", 1);
  cr_assert_eq(pause_after(started_anew()), kStartAnewLast);
  (void)::setenv("AKM_STARTED_ANEW", "x", 1);
  cr_assert_eq(started_anew(), 0U);
  cr_assert_eq(pause_after(0), kSecondTryFirst);
  cr_assert_eq(pause_after(1), 2 * kSecondTryFirst);
  cr_assert_eq(pause_after(UINT32_MAX), kStartAnewLast);
}

Test(second_try, a_reason_to_believe_brings_the_next_try_forward) {
  const test::TemporaryFolder folder;
  Settings settings = software(folder);
  settings.state_folder = folder.write("file", "content");
  const auto loop = io::Loop::create(io::BackendChoice::epoll);
  Status busy = fail(Errc::busy);
  bool asked = false;
  SecondTry tried(**loop, settings, [&](keyring::TpmWorker::Job) {
    asked = true;
    (*loop)->stop();
    return busy;
  });
  tried.soon();
  // Later than what is due soon, and before the ordinary first pause is over.
  (*loop)->add_deadline([due = boottime_now() + kSecondTryFirst / 2] { return std::optional(due); },
                        [&] { (*loop)->stop(); });
  cr_assert((*loop)->run().has_value());
  cr_assert(asked);
}

/// The whole way of a slow start but for the exec, which fails in a test.
Test(second_try, a_start_that_is_under_way_is_taken_up_when_it_ends) {
  const test::TemporaryFolder folder;
  const Settings settings = software(folder);
  // After so many the next try is a minute away, which no slow machine reaches before the end.
  (void)::setenv("AKM_STARTED_ANEW", "5", 1);
  SystemRandom random;
  auto gate = std::make_shared<std::promise<void>>();
  auto opening = Awaited<Opened>::start([open = gate->get_future()] {
    open.wait();
    Opened out;
    out.failure = Error{Errc::tpm_failed, "test"};
    return out;
  });
  const auto loop = io::Loop::create(io::BackendChoice::epoll);
  int tries = 0;
  SecondTry tried(**loop, settings,
                  [&](keyring::TpmWorker::Job) -> Status {
                    ++tries;
                    return fail(Errc::busy);
                  },
                  {*opening, {}});
  tried.soon();
  gate->set_value();
  (*loop)->add_deadline(
      [due = boottime_now() + kSecondTryFirst / 2, last = boottime_now() + std::chrono::seconds(20)] {
        return std::optional(started_anew() == 5 ? last : due);
      },
      [&] { (*loop)->stop(); });
  cr_assert((*loop)->run().has_value());
  cr_assert_eq(started_anew(), 6U, "it was to start anew with what was found");
  cr_assert_eq(tries, 0, "it is not asked for twice");
}
