#include "daemon/nmm/witness.h"

#include <algorithm>

#include "daemon/protocol/cbor.h"
#include "daemon/protocol/limits.h"

namespace akm::nmm {
namespace {

constexpr std::size_t kFields = 8;

template <std::size_t N>
void read_array(protocol::CborReader& reader, std::array<std::uint8_t, N>& out) {
  std::ranges::copy(reader.bytes(N, N), out.begin());
}

}  // namespace

bool Witness::same_as(const Witness& other) const {
  return hardware_value == other.hardware_value && machine == other.machine && peer == other.peer &&
         what == other.what;
}

Witness witness_of(const protocol::ActivateRequest& body, const Endpoint& from, std::string_view what) {
  Witness out;
  out.hardware_value = body.hardware_value;
  if (body.machine) out.machine = *body.machine;
  out.peer = format_endpoint(from);
  out.what = what;
  return out;
}

std::string changed_between(const std::optional<Witness>& activated, const protocol::ActivateRequest& body) {
  std::string names;
  if (!activated || !body.machine) return names;
  for (const std::string& one : protocol::changed_sources(activated->machine.sources, body.machine->sources))
    names += (names.empty() ? "" : ", ") + one;
  return names;
}

void write_witness(protocol::CborWriter& writer, const Witness& witness) {
  writer.array(kFields);
  writer.bytes(witness.hardware_value);
  protocol::write_sources(writer, witness.machine.sources);
  writer.bytes(witness.machine.boot_id);
  writer.bytes(witness.machine.machine);
  writer.unsigned_integer(witness.machine.start);
  writer.text(witness.peer);
  writer.unsigned_integer(witness.at_s);
  writer.text(witness.what);
}

Witness read_witness(protocol::CborReader& reader) {
  Witness out;
  if (reader.array(kFields) != kFields) reader.refuse("witness");
  read_array(reader, out.hardware_value);
  out.machine.sources = protocol::read_sources(reader);
  read_array(reader, out.machine.boot_id);
  read_array(reader, out.machine.machine);
  out.machine.start = static_cast<std::uint32_t>(reader.unsigned_integer(UINT32_MAX));
  out.peer = reader.text(protocol::limits::kEndpointTextBytes);
  out.at_s = reader.unsigned_integer();
  out.what = reader.text(kWitnessTextBytes);
  return out;
}

}  // namespace akm::nmm
