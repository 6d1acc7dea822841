#include "daemon/nmm/own_hardware.h"

#include <vector>

#include "daemon/protocol/cbor.h"
#include "daemon/protocol/machine_evidence.h"

namespace akm::nmm {
namespace {

constexpr std::string_view kRecord = "nmm-hardware";

Result<protocol::SourceDigests> digests(const OwnHardware::Collect& collect) {
  AKM_ASSIGN(const keyring::HardwareSources found, collect());
  std::vector<protocol::HardwareSource> named;
  for (const auto& [name, value] : found) named.push_back({name, value});
  return protocol::source_digests(named);
}

Status save(store::SealedStore& store, const protocol::SourceDigests& sources) {
  protocol::CborWriter writer;
  protocol::write_sources(writer, sources);
  return store.write(kRecord, writer.take());
}

}  // namespace

Status OwnHardware::check(std::string& finding) {
  const auto now = digests(collect_);
  if (!now) {
    finding = "This NMM's machine cannot be told from another: " + now.error().message();
    return {};
  }
  const auto stored = store_.read(kRecord);
  if (!stored && stored.error().code == Errc::not_found) return save(store_, *now);
  if (!stored) return std::unexpected(stored.error());
  protocol::CborReader reader(stored->reveal());
  const protocol::SourceDigests before = protocol::read_sources(reader);
  if (!reader.finish()) return fail(Errc::state_corrupt, std::string(kRecord));
  const auto changes = protocol::changed_sources(before, *now);
  if (changes.empty()) return {};
  std::string names;
  for (const std::string& change : changes) names += (names.empty() ? "" : ", ") + change;
  return fail(Errc::hardware_mismatch,
              "the state of this NMM was made on other hardware (" + names +
                  "). If it is a copy, leave it: two NMMs of one name undo each other's work. If a part was "
                  "replaced, or this machine takes the other's place and that one is off: akmctl nmm "
                  "accept-hardware");
}

Status OwnHardware::accept() {
  AKM_ASSIGN(const protocol::SourceDigests now, digests(collect_));
  return save(store_, now);
}

}  // namespace akm::nmm
