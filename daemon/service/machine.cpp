#include "daemon/service/machine.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "daemon/base/hex.h"
#include "daemon/base/unique_fd.h"
#include "daemon/crypto/digest.h"

namespace akm::service {
namespace {

constexpr std::size_t kIdFileBytes = 64;
constexpr std::string_view kLabel("akm1 machine\0", 13);

/// 32 hex digits, with or without dashes.
std::string digits_of(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, kIdFileBytes> text{};
  // One read: a file of /proc says 0 of its size.
  const ssize_t got = fd ? ::read(fd.get(), text.data(), text.size()) : 0;
  std::string digits;
  for (const char c : std::span(text).first(got > 0 ? static_cast<std::size_t>(got) : 0)) {
    if (c != '-' && c != '\n') digits += c;
  }
  return digits.size() == 32 && parse_hex(digits) ? digits : std::string();
}

}  // namespace

Result<std::array<std::uint8_t, 16>> read_boot_id(const std::string& path) {
  std::array<std::uint8_t, 16> out{};
  const auto id = parse_hex(digits_of(path));
  if (!id || id->size() != out.size()) return fail(Errc::io_failed, path + " holds no boot id");
  std::ranges::copy(*id, out.begin());
  return out;
}

protocol::MachineEvidence this_machine(std::uint32_t incarnation, const std::string& boot,
                                       const std::string& machine) {
  protocol::MachineEvidence out;
  out.start = incarnation;
  if (const auto id = read_boot_id(boot)) out.boot_id = *id;
  const std::string id = digits_of(machine);
  const auto bytes = [](std::string_view text) {
    return std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  };
  if (!id.empty()) out.machine = crypto::sha256({bytes(kLabel), bytes(id)});
  return out;
}

}  // namespace akm::service
