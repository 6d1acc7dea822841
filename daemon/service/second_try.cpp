#include "daemon/service/second_try.h"

#include <poll.h>

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

SecondTry::SecondTry(io::Loop& loop, Settings settings, RunAside run_aside, Later later)
    : loop_(loop),
      settings_(std::move(settings)),
      run_aside_(std::move(run_aside)),
      later_(std::move(later)),
      least_(pause_after(started_anew())),
      pause_(least_) {
  if (later_.opening) {
    const auto watch =
        loop.watch(later_.opening->eventfd(), POLLIN, [this](std::uint32_t) { opening_ended(); });
    if (watch) watch_ = *watch;
  }
  // Without the watch there is still the next try.
  if (!watch_) due_ = boottime_now() + pause_;
  loop.add_deadline([this] { return due_; }, [this] { next(); });
}

SecondTry::~SecondTry() {
  if (watch_) loop_.unwatch(*watch_);
}

void SecondTry::soon() {
  // After the answer to whoever brought this about has left.
  if (due_) due_ = boottime_now() + kSecondTrySoon;
}

/// Whatever came of it: the next start says it, and goes on from there without asking again.
void SecondTry::opening_ended() {
  auto opened = later_.opening->wait_for(Duration{0});
  if (!opened) return;
  loop_.unwatch(*watch_);
  watch_.reset();
  later_.opening.reset();
  opened->store.reset();
  if (opened->failure) {
    start_with(std::unexpected(*opened->failure));
  } else {
    start_with(std::move(opened->key));
  }
  due_ = boottime_now() + pause_;
}

void SecondTry::next() {
  due_.reset();
  // The job may outlive this object, its completion does not.
  const Status begun = run_aside_(
      [this, settings = settings_, hardware = later_.hardware]() -> keyring::TpmWorker::Completion {
        return [this, found = open_for_next_start(settings, hardware)]() mutable { tried(std::move(found)); };
      });
  if (!begun) tried(std::unexpected(begun.error()));
}

void SecondTry::tried(Result<OpenedKey> found) {
  if (found) start_with(found);
  pause_ = std::max(least_, std::min(2 * pause_, kSecondTryLast));
  due_ = boottime_now() + pause_;
}

void SecondTry::start_with(const Result<OpenedKey>& found) {
  log::write(log::Level::notice, {},
             found ? "The state can be opened now: the daemon starts anew"
                   : "The state cannot be opened: the daemon starts anew to say why");
  // Without it the next start asks once more, and a count is left out.
  if (const Status handed = hand_over(found); !handed) log::error(handed.error().message());
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the other thread waits for work meanwhile, and exec follows
  (void)::setenv(kVariable, std::to_string(std::min(started_anew() + 1, kCounted)).c_str(), 1);
  if (const Status failed = start_anew(); !failed) log::error(failed.error().message());
  (void)take_over();  // nobody else takes it
}

}  // namespace akm::service
