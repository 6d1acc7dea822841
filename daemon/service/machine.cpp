#include "daemon/service/machine.h"

#include <algorithm>
#include <string_view>

#include "daemon/base/atomic_file.h"
#include "daemon/base/hex.h"
#include "daemon/crypto/digest.h"

namespace akm::service {
namespace {

constexpr std::size_t kIdFileBytes = 64;
constexpr std::string_view kLabel("akm1 machine\0", 13);

/// 32 hex digits, with or without dashes.
std::string digits_of(const std::string& path) {
  const auto file = read_file(path, kIdFileBytes);
  if (!file) return {};
  std::string digits;
  for (const std::uint8_t c : *file) {
    if (c != '-' && c != '\n') digits += static_cast<char>(c);
  }
  return digits.size() == 32 && parse_hex(digits) ? digits : std::string();
}

}  // namespace

protocol::MachineEvidence this_machine(std::uint32_t incarnation, const std::string& boot,
                                       const std::string& machine) {
  protocol::MachineEvidence out;
  out.start = incarnation;
  if (const auto id = parse_hex(digits_of(boot)); id && id->size() == out.boot_id.size())
    std::ranges::copy(*id, out.boot_id.begin());
  const std::string id = digits_of(machine);
  const auto bytes = [](std::string_view text) {
    return std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  };
  if (!id.empty()) out.machine = crypto::sha256({bytes(kLabel), bytes(id)});
  return out;
}

}  // namespace akm::service
