#include "daemon/protocol/control_body.h"

#include <algorithm>

#include "daemon/protocol/asr_codec.h"
#include "daemon/protocol/body_fields.h"
#include "daemon/protocol/cbor.h"
#include "daemon/protocol/limits.h"
#include "daemon/protocol/zeroize_receipt.h"

namespace akm::protocol {
namespace {

constexpr std::size_t kReasons = 64;
constexpr std::size_t kNonceMinBytes = 16;
constexpr std::size_t kNonceMaxBytes = 64;
constexpr std::uint64_t kHighestPcr = 23;
constexpr std::size_t kShortTextBytes = 64;
constexpr std::size_t kMaintenanceWhyBytes = 256;

}  // namespace

Body ActivateRequest::encode() const {
  CborWriter writer;
  writer.map(2U + (attestation_key ? 1U : 0U) + (quote ? 1U : 0U) + (signature ? 1U : 0U) +
             (rehome ? 1U : 0U) + (machine ? 4U : 0U));
  if (attestation_key) {
    writer.text("ak");
    writer.bytes(*attestation_key);
  }
  writer.text("hw");
  writer.bytes(hardware_value);
  if (machine) {
    writer.text("boot");
    writer.bytes(machine->boot_id);
  }
  if (quote) {
    writer.text("quote");
    writer.bytes(*quote);
  }
  if (machine) {
    writer.text("start");
    writer.unsigned_integer(machine->start);
  }
  if (rehome) {
    writer.text("rehome");
    writer.boolean(true);
  }
  if (machine) {
    writer.text("machine");
    writer.bytes(machine->machine);
    writer.text("sources");
    write_sources(writer, machine->sources);
  }
  writer.text("version");
  writer.text(version);
  if (signature) {
    writer.text("signature");
    writer.bytes(*signature);
  }
  return writer.take();
}

Result<ActivateRequest> ActivateRequest::decode(BodyView body) {
  ActivateRequest out;
  MachineEvidence machine;
  unsigned evidence = 0;
  AKM_TRY(read_body(body, 0b11, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "ak") return out.attestation_key = copy(reader.bytes(kQuoteBytes)), 0;
    if (key == "hw") return out.hardware_value = read_digest(reader), 0b1;
    if (key == "quote") return out.quote = copy(reader.bytes(kQuoteBytes)), 0;
    if (key == "version") return out.version = reader.text(kVersionTextBytes), 0b10;
    if (key == "signature") return out.signature = copy(reader.bytes(kQuoteBytes)), 0;
    if (key == "rehome") return out.rehome = reader.boolean(), 0;
    if (key == "boot") {
      std::ranges::copy(reader.bytes(machine.boot_id.size(), machine.boot_id.size()),
                        machine.boot_id.begin());
      return evidence |= 1U, 0;
    }
    if (key == "start") return machine.start = read_u32(reader), evidence |= 2U, 0;
    if (key == "machine") return machine.machine = read_digest(reader), evidence |= 4U, 0;
    if (key == "sources") return machine.sources = read_sources(reader), evidence |= 8U, 0;
    return kUnknown;
  }));
  if (evidence != 0 && evidence != 15)
    return fail(Errc::malformed, "a part of the machine's evidence is missing");
  if (evidence != 0) out.machine = std::move(machine);
  return out;
}

Body ActivateResponse::encode() const {
  CborWriter writer;
  writer.map(2);
  writer.text("nmm");
  writer.text(nmm);
  writer.text("policy");
  write_policy(writer, policy);
  return writer.take();
}

Result<ActivateResponse> ActivateResponse::decode(BodyView body) {
  ActivateResponse out;
  AKM_TRY(read_body(body, 0b11, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "nmm") return out.nmm = reader.text(limits::kNameBytes), 0b1;
    if (key == "policy") return out.policy = read_policy(reader), 0b10;
    return kUnknown;
  }));
  return out;
}

Body Heartbeat::encode() const {
  CborWriter writer;
  writer.map(maintenance_s == 0 ? 5 : 7);
  writer.text("asrs");
  writer.array(asrs.size());
  for (const HeartbeatAsr& asr : asrs) {
    writer.array(4);
    writer.unsigned_integer(asr.asr_id);
    writer.unsigned_integer(asr.generation);
    writer.unsigned_integer(asr.epoch);
    writer.unsigned_integer(asr.phase);
  }
  writer.text("tier");
  writer.text(tier);
  writer.text("dropped");
  writer.unsigned_integer(dropped);
  writer.text("refused");
  std::vector<std::pair<std::string_view, std::uint64_t>> reasons(refused.begin(), refused.end());
  std::ranges::stable_sort(reasons, {}, [](const auto& reason) { return reason.first.size(); });
  writer.map(reasons.size());
  for (const auto& [reason, count] : reasons) {
    writer.text(reason);
    writer.unsigned_integer(count);
  }
  writer.text("uptime_s");
  writer.unsigned_integer(uptime_s);
  if (maintenance_s == 0) return writer.take();
  writer.text("maintenance_s");
  writer.unsigned_integer(maintenance_s);
  writer.text("maintenance_why");
  writer.text(maintenance_why);
  return writer.take();
}

Result<Heartbeat> Heartbeat::decode(BodyView body) {
  Heartbeat out;
  const auto read_asrs = [&](CborReader& reader) {
    for (std::size_t left = reader.array(kHeartbeatAsrs); left > 0 && reader.ok(); --left) {
      if (reader.array(4) != 4) reader.refuse("heartbeat: four numbers of each ASR");
      HeartbeatAsr& asr = out.asrs.emplace_back();
      asr.asr_id = reader.unsigned_integer();
      asr.generation = read_u32(reader);
      asr.epoch = read_u32(reader);
      asr.phase = static_cast<std::uint8_t>(reader.unsigned_integer(3));
    }
  };
  const auto read_refused = [&](CborReader& reader) {
    for (std::size_t pairs = reader.map(kReasons); pairs > 0 && reader.ok(); --pairs) {
      std::string reason(reader.key());
      out.refused.emplace(std::move(reason), reader.unsigned_integer());
    }
  };
  AKM_TRY(read_body(body, 0b11111, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "asrs") return read_asrs(reader), 0b1;
    if (key == "tier") return out.tier = reader.text(kShortTextBytes), 0b10;
    if (key == "dropped") return out.dropped = reader.unsigned_integer(), 0b100;
    if (key == "refused") return read_refused(reader), 0b1000;
    if (key == "uptime_s") return out.uptime_s = reader.unsigned_integer(), 0b10000;
    if (key == "maintenance_s") return out.maintenance_s = read_u32(reader), 0;
    if (key == "maintenance_why") return out.maintenance_why = reader.text(kMaintenanceWhyBytes), 0;
    return kUnknown;
  }));
  return out;
}

Result<SecretBuffer> InstallRequest::encode() const {
  CborWriter writer(CborWriter::Memory::secret);
  writer.map(4);
  writer.text("asr");
  write_asr(writer, asr);
  writer.text("index");
  writer.unsigned_integer(index);
  writer.text("retire");
  writer.unsigned_integer(retire);
  writer.text("immediate");
  writer.boolean(immediate);
  if (writer.size() > limits::kRequestBodyBytes) {
    return fail(Errc::too_large, "the roster does not fit into an install message");
  }
  return writer.take_secret();
}

Result<InstallRequest> InstallRequest::decode(BodyView body) {
  InstallRequest out;
  AKM_TRY(read_body(body, 0b1111, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "asr") return out.asr = read_asr(reader), 0b1;
    if (key == "index")
      return out.index = static_cast<std::uint16_t>(reader.unsigned_integer(limits::kMembers - 1)), 0b10;
    if (key == "retire") return out.retire = read_u32(reader), 0b100;
    if (key == "immediate") return out.immediate = reader.boolean(), 0b1000;
    return kUnknown;
  }));
  if (out.asr.description.member(out.index) == nullptr)
    return fail(Errc::malformed, "own index is not in the roster");
  return out;
}

Body SwitchRequest::encode() const {
  CborWriter writer;
  writer.map(2);
  writer.text("asr");
  writer.unsigned_integer(asr_id);
  writer.text("generation");
  writer.unsigned_integer(generation);
  return writer.take();
}

Result<SwitchRequest> SwitchRequest::decode(BodyView body) {
  SwitchRequest out;
  AKM_TRY(read_body(body, 0b11, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "asr") return out.asr_id = reader.unsigned_integer(), 0b1;
    if (key == "generation") return out.generation = read_u32(reader), 0b10;
    return kUnknown;
  }));
  return out;
}

Body RetireRequest::encode() const {
  CborWriter writer;
  writer.map(1);
  writer.text("asr");
  writer.unsigned_integer(asr_id);
  return writer.take();
}

Result<RetireRequest> RetireRequest::decode(BodyView body) {
  RetireRequest out;
  AKM_TRY(read_body(body, 0b1, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "asr") return out.asr_id = reader.unsigned_integer(), 0b1;
    return kUnknown;
  }));
  return out;
}

Body BreachReport::encode() const {
  CborWriter writer;
  writer.map(5);
  writer.text("class");
  writer.text(detection);
  writer.text("subject");
  writer.text_map(subject);
  writer.text("evidence");
  writer.text_map(evidence);
  writer.text("severity");
  writer.unsigned_integer(severity);
  writer.text("boottime_ns");
  writer.unsigned_integer(boottime_ns);
  return writer.take();
}

Result<BreachReport> BreachReport::decode(BodyView body) {
  BreachReport out;
  AKM_TRY(read_body(body, 0b11111, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "class") return out.detection = reader.text(kShortTextBytes, 1), 0b1;
    if (key == "subject") return out.subject = reader.text_map(kEvidencePairs, kEvidenceTextBytes), 0b10;
    if (key == "evidence") return out.evidence = reader.text_map(kEvidencePairs, kEvidenceTextBytes), 0b100;
    if (key == "severity")
      return out.severity = static_cast<std::uint8_t>(reader.unsigned_integer(7)), 0b1000;
    if (key == "boottime_ns") return out.boottime_ns = reader.unsigned_integer(), 0b10000;
    return kUnknown;
  }));
  return out;
}

Body BreachDecision::encode() const {
  CborWriter writer;
  writer.map(2);
  writer.text("asrs");
  writer.array(asrs.size());
  for (const AsrId id : asrs) writer.unsigned_integer(id);
  writer.text("decision");
  writer.text(decision);
  return writer.take();
}

Result<BreachDecision> BreachDecision::decode(BodyView body) {
  BreachDecision out;
  const auto read_asrs = [&](CborReader& reader) {
    for (std::size_t left = reader.array(kHeartbeatAsrs); left > 0 && reader.ok(); --left) {
      out.asrs.push_back(reader.unsigned_integer());
    }
  };
  AKM_TRY(read_body(body, 0b11, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "asrs") return read_asrs(reader), 0b1;
    if (key == "decision") return out.decision = reader.text(kShortTextBytes, 1), 0b10;
    return kUnknown;
  }));
  return out;
}

Body ZeroizeResponse::encode() const {
  CborWriter writer;
  writer.map(1);
  writer.text("receipt");
  writer.text(receipt);
  return writer.take();
}

Result<ZeroizeResponse> ZeroizeResponse::decode(BodyView body) {
  ZeroizeResponse out;
  AKM_TRY(read_body(body, 0, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "receipt") return out.receipt = reader.text(kReceiptBytes), 0;
    return kUnknown;
  }));
  return out;
}

Body PolicyUpdate::encode() const {
  CborWriter writer;
  writer.map(2);
  writer.text("asr");
  writer.unsigned_integer(asr_id);
  writer.text("policy");
  write_policy(writer, policy);
  return writer.take();
}

Result<PolicyUpdate> PolicyUpdate::decode(BodyView body) {
  PolicyUpdate out;
  AKM_TRY(read_body(body, 0b11, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "asr") return out.asr_id = reader.unsigned_integer(), 0b1;
    if (key == "policy") return out.policy = read_policy(reader), 0b10;
    return kUnknown;
  }));
  return out;
}

Body AttestRequest::encode() const {
  CborWriter writer;
  writer.map(2);
  writer.text("pcrs");
  writer.array(pcrs.size());
  for (const std::uint8_t pcr : pcrs) writer.unsigned_integer(pcr);
  writer.text("nonce");
  writer.bytes(nonce);
  return writer.take();
}

Result<AttestRequest> AttestRequest::decode(BodyView body) {
  AttestRequest out;
  const auto read_pcrs = [&](CborReader& reader) {
    for (std::size_t left = reader.array(kHighestPcr + 1); left > 0 && reader.ok(); --left) {
      out.pcrs.push_back(static_cast<std::uint8_t>(reader.unsigned_integer(kHighestPcr)));
    }
  };
  AKM_TRY(read_body(body, 0b11, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "pcrs") return read_pcrs(reader), 0b1;
    if (key == "nonce") return out.nonce = copy(reader.bytes(kNonceMaxBytes, kNonceMinBytes)), 0b10;
    return kUnknown;
  }));
  return out;
}

Body AttestResponse::encode() const {
  CborWriter writer;
  writer.map(key ? 4 : 3);
  if (key) {
    writer.text("ak");
    writer.bytes(*key);
  }
  writer.text("log");
  writer.bytes(log);
  writer.text("quote");
  writer.bytes(quote);
  writer.text("signature");
  writer.bytes(signature);
  return writer.take();
}

Result<AttestResponse> AttestResponse::decode(BodyView body) {
  AttestResponse out;
  AKM_TRY(read_body(body, 0b111, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "ak") return out.key = copy(reader.bytes(kQuoteBytes)), 0;
    if (key == "log") return out.log = read_digest(reader), 0b1;
    if (key == "quote") return out.quote = copy(reader.bytes(kQuoteBytes)), 0b10;
    if (key == "signature") return out.signature = copy(reader.bytes(kQuoteBytes)), 0b100;
    return kUnknown;
  }));
  return out;
}

Body empty_body() {
  CborWriter writer;
  writer.map(0);
  return writer.take();
}

Status decode_empty_body(BodyView body) {
  if (body.empty()) return {};
  return read_body(body, 0, [](CborReader& /*reader*/, std::string_view /*key*/) { return kUnknown; });
}

}  // namespace akm::protocol
