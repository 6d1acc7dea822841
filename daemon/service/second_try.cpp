#include "daemon/service/second_try.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <memory>
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

struct Tries {
  Settings settings;
  const Duration least = pause_after(started_anew());
  Duration pause = least;
  Instant due = boottime_now() + pause;

  void next() {
    if (const Status possible = state_can_be_opened(settings)) {
      log::write(log::Level::notice, {}, "The state can be opened now: the daemon starts anew");
      // NOLINTNEXTLINE(concurrency-mt-unsafe): a daemon without its state has one thread, and exec follows
      (void)::setenv(kVariable, std::to_string(std::min(started_anew() + 1, kCounted)).c_str(), 1);
      if (const Status failed = start_anew(); !failed) log::error(failed.error().message());
    }
    pause = std::max(least, std::min(2 * pause, kSecondTryLast));
    due = boottime_now() + pause;
  }
};

}  // namespace

bool may_pass(Errc code) {
  constexpr std::array kPassing{
      Errc::disk_full,          Errc::read_only,         Errc::storage_failed, Errc::tpm_failed,
      Errc::sealed_unavailable, Errc::no_secure_element, Errc::token_failed,   Errc::busy};
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

void try_again(io::Loop& loop, const Settings& settings) {
  const auto tries = std::make_shared<Tries>(settings);
  loop.add_deadline([tries] { return std::optional(tries->due); }, [tries] { tries->next(); });
}

}  // namespace akm::service
