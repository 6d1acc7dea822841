#include "daemon/root/issuer.h"

#include <algorithm>
#include <utility>

#include "daemon/base/endpoint.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/crypto/secret_observer.h"
#include "daemon/nmm/bundle_drive.h"
#include "daemon/protocol/limits.h"
#include "daemon/protocol/root_body.h"

namespace akm::root {
namespace {

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ",") + text;
  return out;
}

/// The configuration record of an NMM, in which the operator's fields stay.
Status write_record(store::ConfigDatabase& database, const NmmRecord& record, const std::string& who,
                    std::uint32_t number, const SecretBuffer& secret) {
  store::Edit edit;
  edit.kind = store::RecordKind::nmm;
  edit.id = record.nmm_id;
  const auto present = database.get(edit.kind, edit.id);
  if (!present && present.error().code != Errc::not_found) return std::unexpected(present.error());
  store::Fields fields = present ? present->fields : store::Fields{};
  fields["name"] = record.name;
  // These move on without a change of the configuration: the list of NMMs shows them as they are.
  fields.erase("serial");
  fields.erase("state");
  if (!record.endpoints.empty()) fields["endpoints"] = joined(record.endpoints);
  edit.after = std::move(fields);
  if (number == 0) {
    AKM_TRY(database.apply({&edit, 1}, who));
    return {};
  }
  AKM_TRY(database.apply_with_secret({&edit, 1}, who, secret_name(record.nmm_id, number), secret.reveal()));
  return {};
}

Result<std::uint64_t> draw_id(RandomSource& random) {
  std::uint64_t id = 0;
  while (id == 0) {
    AKM_ASSIGN(id, random_u64(random));
  }
  return id;
}

}  // namespace

Status Issuer::check(std::string_view name, const std::vector<std::uint8_t>& hardware_value,
                     const std::vector<std::string>& endpoints) const {
  if (core_.secret.newest() == 0) return fail(Errc::wrong_state, "there is no root secret yet");
  AKM_TRY(nmm::check_node_name(name));
  if (hardware_value.size() != protocol::HardwareValue{}.size()) {
    return fail(Errc::refused_by_policy,
                "an NMM is prepared with its hardware value: akmctl nmm identity shows it");
  }
  if (endpoints.size() > protocol::limits::kEndpointsPerMember)
    return fail(Errc::limit_exceeded, "endpoints of an NMM");
  for (const std::string& text : endpoints) AKM_TRY(parse_endpoint(text));
  if (core_.settings.endpoints.empty()) {
    return fail(Errc::config_invalid,
                "network.advertise is not set, and a wildcard listen address tells an NMM nothing");
  }
  return {};
}

Result<protocol::AsrId> Issuer::new_asr_id() {
  protocol::AsrId out = 0;
  do {
    AKM_ASSIGN(out, draw_id(core_.random));
  } while (core_.book.by_asr(out) != nullptr || core_.book.by_fenced(out) != nullptr);
  return out;
}

Result<NmmRecord> Issuer::next_record(const ControlPort::Prepare& what) {
  NmmRecord record;
  if (const NmmRecord* present = core_.book.by_name(what.nmm_name)) {
    record = *present;
    if (what.nmm_id != 0 && what.nmm_id != record.nmm_id)
      return fail(Errc::already_exists, record.name + " has the id " + hex_id(record.nmm_id));
    if (record.serial == UINT32_MAX) return fail(Errc::exhausted, "serials of " + record.name);
  } else {
    if (what.nmm_id != 0 && core_.book.find(what.nmm_id) != nullptr)
      return fail(Errc::already_exists, hex_id(what.nmm_id));
    record.name = what.nmm_name;
    record.nmm_id = what.nmm_id;
    while (record.nmm_id == 0 || record.nmm_id == core_.secret.nmm_id() ||
           core_.book.find(record.nmm_id) != nullptr) {
      if (what.nmm_id != 0) return fail(Errc::invalid_argument, "the Root's own id");
      AKM_ASSIGN(record.nmm_id, draw_id(core_.random));
    }
    AKM_ASSIGN(record.asr_id, new_asr_id());
  }
  ++record.serial;
  // One that is active goes on with the serial that it has, until it is heard under this one.
  if (record.activated_serial == 0) record.state = NmmState::prepared;
  std::ranges::copy(what.hardware_value, record.hardware_value.begin());
  if (!what.nmm_endpoints.empty()) record.endpoints = what.nmm_endpoints;
  record.prepared_at_s = core_.clock.seconds(core_.now());
  return record;
}

void Issuer::prepare(const ControlPort::Prepare& what, const std::string& who, BundleReply reply) {
  if (const Status fine = check(what.nmm_name, what.hardware_value, what.nmm_endpoints); !fine)
    return reply(std::unexpected(fine.error()));
  auto record = next_record(what);
  if (!record) return reply(std::unexpected(record.error()));
  // One that stands alone has a secret, and hands it up. A known one has one here, or is one that stands
  // alone and has not handed it up yet: a secret that is drawn for it would be another one than its nodes'.
  const bool draw = core_.book.find(record->nmm_id) == nullptr && what.nmm_id == 0;
  if (draw) record->secrets.insert(1);
  store(std::move(*record), draw ? 1 : 0, who, std::move(reply));
}

Result<NmmRecord> Issuer::replacement(protocol::NodeId nmm_id,
                                      const std::vector<std::uint8_t>& hardware_value) {
  const NmmRecord* present = core_.book.find(nmm_id);
  if (present == nullptr) return fail(Errc::not_found, "NMM " + hex_id(nmm_id));
  AKM_TRY(check(present->name, hardware_value, {}));
  if (present->secrets.empty())
    return fail(Errc::wrong_state, "the Root has no root secret of it: it was never adopted");
  if (present->secrets.size() >= protocol::kRootSecrets)
    return fail(Errc::limit_exceeded, "nodes still hang on the secrets of earlier replacements");
  NmmRecord record = *present;
  if (record.serial == UINT32_MAX) return fail(Errc::exhausted, "serials of " + record.name);
  const auto view = core_.shell.engine().view(record.asr_id);
  std::uint32_t counted = record.incarnation_floor;
  if (view) {
    for (const protocol::MemberView& member : view->members) {
      if (member.index == protocol::kNodeIndex) counted = std::max(counted, member.incarnation);
    }
  }
  if (counted > UINT32_MAX / 2 - kIncarnationLeap) return fail(Errc::exhausted, "incarnations");
  record.incarnation_floor = counted + kIncarnationLeap;
  if (record.fenced.size() >= kFencedPerNmm) record.fenced.erase(record.fenced.begin());
  record.fenced[record.asr_id] = record.serial;
  AKM_ASSIGN(record.asr_id, new_asr_id());
  ++record.serial;
  record.state = NmmState::prepared;
  record.activated_serial = 0;
  std::ranges::copy(hardware_value, record.hardware_value.begin());
  record.peer.clear();
  record.restore = true;
  record.issue_pending = true;
  record.prepared_at_s = core_.clock.seconds(core_.now());
  return record;
}

void Issuer::replace(protocol::NodeId nmm_id, const std::vector<std::uint8_t>& hardware_value,
                     const std::string& who, BundleReply reply) {
  auto record = replacement(nmm_id, hardware_value);
  if (!record) return reply(std::unexpected(record.error()));
  // What the lost machine knows is no use for what comes: each node moves to this secret when it is reached.
  const std::uint32_t number = *record->secrets.rbegin() + 1;
  record->secrets.insert(number);
  store(std::move(*record), number, who, std::move(reply));
}

Status Issuer::check_idle(const NmmRecord& record) const {
  const bool busy = std::ranges::any_of(changing_, [&](const auto& entry) {
    return entry.first == record.nmm_id || entry.second == record.name;
  });
  if (busy) return fail(Errc::busy, "another bundle of " + record.name + " is being made");
  return {};
}

void Issuer::store(NmmRecord record, std::uint32_t number, const std::string& who, BundleReply reply) {
  if (const Status idle = check_idle(record); !idle) return reply(std::unexpected(idle.error()));
  SecretBuffer secret(number == 0 ? 0 : protocol::kProvisioningRootBytes);
  if (number != 0) {
    if (const Status drawn = core_.random.fill(secret.reveal_mutable()); !drawn)
      return reply(std::unexpected(drawn.error()));
    crypto::observe_secret("provisioning root secret", secret.reveal());
  }
  struct Work {
    NmmRecord record;
    SecretBuffer secret;
    BundleReply reply;
    std::optional<NmmRecord> before;
  };
  changing_[record.nmm_id] = record.name;
  auto work = std::make_shared<Work>(std::move(record), std::move(secret), std::move(reply));
  if (const NmmRecord* present = core_.book.find(work->record.nmm_id)) work->before = *present;
  core_.database(
      [this, work, number, who](Result<store::ConfigDatabase*> database) -> std::move_only_function<void()> {
        Status done = database ? write_record(**database, work->record, who, number, work->secret)
                               : std::unexpected(database.error());
        return [this, work, done = std::move(done)] {
          changing_.erase(work->record.nmm_id);
          work->reply(done ? finish(std::move(work->record), work->before) : std::unexpected(done.error()));
          core_.settle();
        };
      });
}

Result<protocol::BundleContent> Issuer::finish(NmmRecord record, const std::optional<NmmRecord>& before) {
  const NmmRecord* present = core_.book.find(record.nmm_id);
  if (present != nullptr && before) AKM_TRY(merge_into(record, *before, *present));
  AKM_ASSIGN(protocol::Asr asr, core_.derive(record));
  protocol::BundleContent content;
  content.identity = core_.identity_of(record);
  AKM_TRY(core_.random.fill(content.use_id));
  AKM_ASSIGN(content.mask, protocol::mask_chains(asr.chains, record.hardware_value, content.use_id));
  AKM_ASSIGN(content.check, protocol::hardware_check(record.hardware_value, content.use_id));
  const NmmRecord stored = record;
  AKM_TRY(core_.put(std::move(record)));
  core_.post(protocol::InstallAsr{std::move(asr), protocol::kNmmIndex, false, 0}, [name = stored.name](
                                                                                      const Status& status) {
    if (!status)
      log::error("the Root's side of a relationship could not be installed: " + status.error().message(),
                 {{"AKM_NMM", name}});
  });
  if (!stored.endpoints.empty()) {
    if (const auto endpoint = parse_endpoint(stored.endpoints.front()))
      core_.post(protocol::SetPeerEndpoint{stored.asr_id, *endpoint});
  }
  core_.announce(
      stored.restore ? "nmm-replaced" : "nmm-prepared", 5,
      stored.restore ? "A replacement of an NMM was prepared; the one before it is fenced off."
                     : "Credentials were made for an NMM.",
      {{"nmm", stored.name}, {"nmm_id", hex_id(stored.nmm_id)}, {"serial", std::to_string(stored.serial)}});
  core_.status_changed();
  return content;
}

}  // namespace akm::root
