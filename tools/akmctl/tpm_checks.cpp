#include "tools/akmctl/tpm_checks.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "daemon/base/cursor.h"
#include "tools/akmctl/installed.h"

namespace akm::ctl {
namespace {

constexpr const char* kDefaultTcti = "device:/dev/tpmrm0";  // of sealing.tcti

constexpr std::uint16_t kNoSessions = 0x8001;
constexpr std::uint32_t kGetCapability = 0x17a;
constexpr std::uint32_t kGetTestResult = 0x17c;
constexpr std::uint32_t kProperties = 6;
constexpr std::uint32_t kFailureMode = 0x101;
// Properties (part 2, table 23).
constexpr std::uint32_t kPermanent = 0x200;
constexpr std::uint32_t kLockoutCounter = 0x20e;
constexpr std::uint32_t kMaxTries = 0x20f;
constexpr std::uint32_t kLockoutInterval = 0x210;
constexpr std::uint32_t kInLockout = 1U << 9;
constexpr int kPatienceMs = 10'000;  // a TPM may be at a self-test
constexpr std::size_t kAnswerBytes = 4096;
constexpr std::size_t kHeaderBytes = 10;

struct Answer {
  std::uint32_t code = 0;
  std::vector<std::uint8_t> body;
};

/// One command and its whole answer.
Result<Answer> ask(int fd, std::uint32_t command, std::initializer_list<std::uint32_t> arguments) {
  std::array<std::uint8_t, 64> bytes{};
  Writer out(bytes);
  out.u16(kNoSessions);
  out.u32(static_cast<std::uint32_t>(kHeaderBytes + 4 * arguments.size()));
  out.u32(command);
  for (const std::uint32_t one : arguments) out.u32(one);
  const auto written = out.written();
  // A socket that its TPM has closed is an error, and not the end by SIGPIPE.
  ssize_t sent = send(fd, written.data(), written.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno == ENOTSOCK) sent = write(fd, written.data(), written.size());
  if (sent != static_cast<ssize_t>(written.size())) return fail_errno(Errc::tpm_failed, "a command");
  std::vector<std::uint8_t> answer;
  std::size_t whole = kHeaderBytes;
  while (answer.size() < whole) {
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, kPatienceMs) != 1) return fail(Errc::timed_out, "it does not answer");
    std::array<std::uint8_t, kAnswerBytes> buffer{};
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n <= 0) return fail(Errc::tpm_failed, "it gives no answer");
    answer.insert(answer.end(), buffer.begin(), buffer.begin() + n);
    if (answer.size() < kHeaderBytes) continue;
    whole = Reader(std::span(answer).subspan(2, 4)).u32();
    if (whole < kHeaderBytes || whole > kAnswerBytes) return fail(Errc::malformed, "its answer");
  }
  if (answer.size() != whole) return fail(Errc::malformed, "its answer");
  return Answer{Reader(std::span(answer).subspan(6, 4)).u32(), {answer.begin() + kHeaderBytes, answer.end()}};
}

using Properties = std::map<std::uint32_t, std::uint32_t>;

Result<Properties> properties(int fd, std::uint32_t first, std::uint32_t count) {
  AKM_ASSIGN(const Answer answer, ask(fd, kGetCapability, {kProperties, first, count}));
  if (answer.code != 0) return fail(Errc::tpm_failed, fmt::format("code 0x{:x}", answer.code));
  Reader in(answer.body);
  (void)in.u8();   // more data
  (void)in.u32();  // the capability
  const std::uint32_t told = in.u32();
  Properties out;
  for (std::uint32_t i = 0; i < told && i < count && in.ok(); ++i) {
    const std::uint32_t property = in.u32();
    out[property] = in.u32();
  }
  if (!in.ok()) return fail(Errc::malformed, "its answer");
  return out;
}

Check tpm(const char* name, Health health, std::string says, std::string remedy = {}) {
  return {"tpm", name, health, std::move(says), std::move(remedy)};
}

Check self_test(int fd) {
  constexpr const char* kPowerCycle =
      "take the power from the machine and give it back; else the TPM is broken";
  const auto answer = ask(fd, kGetTestResult, {});
  if (!answer) return tpm("health", Health::problem, answer.error().message(), kPowerCycle);
  if (answer->code != 0)
    return tpm("health", Health::problem, fmt::format("it refuses to say (code 0x{:x})", answer->code),
               kPowerCycle);
  Reader in(answer->body);
  (void)in.bytes(in.u16());  // the manufacturer's own
  const std::uint32_t result = in.u32();
  if (!in.ok()) return tpm("health", Health::problem, "its answer cannot be read", kPowerCycle);
  if (result == kFailureMode)
    return tpm("health", Health::problem, "it is in failure mode: its self-test has failed", kPowerCycle);
  return tpm("health", Health::good, "its self-test has not failed");
}

Check lockout(int fd) {
  const auto known = properties(fd, kPermanent, 0x12);
  if (!known)
    return tpm("lockout", Health::warning, "cannot be read: " + known.error().message(), "ask again as root");
  const auto of = [&](std::uint32_t property) {
    const auto at = known->find(property);
    return at == known->end() ? 0U : at->second;
  };
  const std::string tries = fmt::format("{} of {} wrong tries; one is forgotten in {} s", of(kLockoutCounter),
                                        of(kMaxTries), of(kLockoutInterval));
  if ((of(kPermanent) & kInLockout) != 0) {
    return tpm(
        "lockout", Health::problem, "it is locked out: " + tries,
        "wait that long, or tpm2_dictionarylockout --clear-lockout with the lockout authorisation; then "
        "look who tried (akmctl incident list)");
  }
  if (of(kLockoutCounter) != 0) {
    return tpm("lockout", Health::warning, tries,
               "look who tried: akmctl incident list; tpm2_dictionarylockout --clear-lockout forgets them");
  }
  return tpm("lockout", Health::good, tries);
}

Checks checks_at(const Machine& machine, const std::string& tcti) {
  const auto device = machine.open_tpm(tcti);
  if (device) {
    return {tpm("TPM", Health::good, "there is one at " + tcti), self_test(device->get()),
            lockout(device->get())};
  }
  const Errc code = device.error().code;
  if (code == Errc::not_found) {
    return {tpm("TPM", Health::warning,
                "there is none at " + tcti + ": keys are sealed in software, or not at all",
                "enable it in the firmware's settings, or use a PKCS#11 token (sealing.mode = \"token\")")};
  }
  if (code == Errc::not_authorized) return {unseen("tpm", "TPM", device.error())};
  if (code == Errc::busy || code == Errc::not_supported) {
    return {tpm("TPM", Health::notice, "could not be looked at: " + device.error().message(),
                "tpm2_getcap properties-variable shows its lockout where another program has it")};
  }
  return {tpm("TPM", Health::problem, "it cannot be opened: " + device.error().message(),
              "see the kernel's log: dmesg | grep -i tpm")};
}

}  // namespace

Checks tpm_checks(const Machine& machine) {
  std::set<std::string> ways;
  bool without = false;
  for (const dbus::Service service : kServices) {
    if (program_path(machine, service).empty()) continue;
    const service::Values settings = settings_of(machine, service).value_or(service::Values());
    const std::string mode = text_in(settings, "sealing.mode", "automatic");
    without = mode == "software" || mode == "token";
    if (!without) ways.insert(text_in(settings, "sealing.tcti", kDefaultTcti));
  }
  if (ways.empty() && without)
    return {tpm("TPM", Health::notice, "not looked at: the configuration (sealing.mode) seals without one")};
  if (ways.empty()) ways.insert(kDefaultTcti);
  Checks out;
  for (const std::string& way : ways) std::ranges::move(checks_at(machine, way), std::back_inserter(out));
  return out;
}

}  // namespace akm::ctl
