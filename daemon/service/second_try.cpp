#include "daemon/service/second_try.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/base/loader_environment.h"
#include "daemon/base/log.h"
#include "daemon/service/startup.h"

namespace akm::service {
namespace {

// Goes on through exec, and no further: whoever starts this program begins anew.
constexpr const char* kVariable = "AKM_STARTED_ANEW";
constexpr std::uint32_t kCounted = 20;

}  // namespace

bool may_pass(Errc code) {
  constexpr std::array kPassing{Errc::disk_full,  Errc::read_only,          Errc::storage_failed,
                                Errc::tpm_failed, Errc::sealed_unavailable, Errc::no_secure_element,
                                Errc::busy};
  return std::ranges::find(kPassing, code) != kPassing.end();
}

std::uint32_t started_anew() {
  const char* text = ::getenv(kVariable);
  const std::string_view digits = text != nullptr ? text : "";
  std::uint32_t times = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), times);
  return read.ec == std::errc() ? std::min(times, kCounted) : 0;
}

Duration pause_after(std::uint32_t starts) {
  Duration pause = kSecondTryFirst;
  for (std::uint32_t i = 0; i < starts && pause < kStartAnewLast; ++i) pause *= 2;
  return std::min(pause, kStartAnewLast);
}

SecondTry::SecondTry(io::Loop& loop, Settings settings, RunAside run_aside)
    : settings_(std::move(settings)),
      run_aside_(std::move(run_aside)),
      least_(pause_after(started_anew())),
      pause_(least_),
      due_(boottime_now() + pause_) {
  loop.add_deadline([this] { return due_; }, [this] { next(); });
}

void SecondTry::soon() {
  // After the answer to whoever brought this about has left.
  if (due_) due_ = boottime_now() + kSecondTrySoon;
}

void SecondTry::next() {
  due_.reset();
  // The job may outlive this object, its completion does not.
  const Status begun = run_aside_([this, settings = settings_]() -> keyring::TpmWorker::Completion {
    return [this, possible = state_can_be_opened(settings)] { tried(possible); };
  });
  if (!begun) tried(begun);
}

void SecondTry::tried(const Status& possible) {
  if (possible) {
    log::write(log::Level::notice, {}, "The state can be opened now: the daemon starts anew");
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the other thread waits for work meanwhile, and exec follows
    (void)::setenv(kVariable, std::to_string(std::min(started_anew() + 1, kCounted)).c_str(), 1);
    if (const Status failed = start_anew(); !failed) log::error(failed.error().message());
  }
  pause_ = std::max(least_, std::min(2 * pause_, kSecondTryLast));
  due_ = boottime_now() + pause_;
}

}  // namespace akm::service
