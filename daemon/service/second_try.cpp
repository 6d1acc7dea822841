#include "daemon/service/second_try.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "daemon/base/loader_environment.h"
#include "daemon/base/log.h"
#include "daemon/service/startup.h"

namespace akm::service {
namespace {

struct Tries {
  Settings settings;
  Duration pause = kSecondTryFirst;
  Instant due = boottime_now() + kSecondTryFirst;

  void next() {
    if (const Status possible = state_can_be_opened(settings)) {
      log::write(log::Level::notice, {}, "The state can be opened now: the daemon starts anew");
      if (const Status failed = start_anew(); !failed) log::error(failed.error().message());
    }
    pause = std::min(2 * pause, kSecondTryLast);
    due = boottime_now() + pause;
  }
};

}  // namespace

bool may_pass(Errc code) {
  constexpr std::array kPassing{Errc::disk_full,  Errc::read_only,          Errc::storage_failed,
                                Errc::tpm_failed, Errc::sealed_unavailable, Errc::no_secure_element,
                                Errc::busy};
  return std::ranges::find(kPassing, code) != kPassing.end();
}

void try_again(io::Loop& loop, const Settings& settings) {
  const auto tries = std::make_shared<Tries>(settings);
  loop.add_deadline([tries] { return std::optional(tries->due); }, [tries] { tries->next(); });
}

}  // namespace akm::service
