#pragma once
// A start that failed for want of a disk or a TPM is made good when they are there again, without an
// operator.
#include <optional>

#include "daemon/base/error.h"
#include "daemon/io/loop.h"
#include "daemon/service/aside_worker.h"
#include "daemon/service/settings.h"
#include "daemon/service/startup.h"

namespace akm::service {

/// First pause before the state is tried again; doubled up to the last.
inline constexpr Duration kSecondTryFirst = std::chrono::seconds(2);
inline constexpr Duration kSecondTrySoon = std::chrono::milliseconds(200);
inline constexpr Duration kSecondTryLast = std::chrono::seconds(60);
/// Most of the first pause of a program that has started itself anew in vain: such a start may have counted
/// in the TPM, whose memory wears out.
inline constexpr Duration kStartAnewLast = std::chrono::hours(1);

/// True for what may pass by itself: no space, no write access, no answer of the TPM, no token, a folder in
/// use. A wrong PIN is not tried again: the token locks after some. A state that is damaged or was restored
/// is not tried again: each try would count as a start.
bool may_pass(Errc code);

/// How often this process has started itself anew.
std::uint32_t started_anew();
/// The first pause after so many of these: doubled with each.
Duration pause_after(std::uint32_t starts);

/// From a daemon that runs without its state: waits for the start that is under way, then tries it from time
/// to time, and starts the program anew with what it found. None of it is done on the loop thread, since a
/// TPM may take its time.
class SecondTry {
 public:
  SecondTry(io::Loop& loop, Settings settings, RunAside run_aside, Later later = {});
  ~SecondTry();
  SecondTry(const SecondTry&) = delete;
  SecondTry& operator=(const SecondTry&) = delete;
  /// There is reason to believe that it can be had now.
  void soon();

 private:
  void next();
  void tried(Result<OpenedKey> found);
  void opening_ended();
  void start_with(const Result<OpenedKey>& found);

  io::Loop& loop_;
  Settings settings_;
  RunAside run_aside_;
  Later later_;
  std::optional<io::Loop::WatchId> watch_;
  Duration least_;
  Duration pause_;
  std::optional<Instant> due_;  // none while a try, or the first start, is under way
};

}  // namespace akm::service
