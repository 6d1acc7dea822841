#include "dbus/root_proxy.h"

#include "dbus/direct_offer.h"
#include "dbus/limits.h"
#include "dbus/root_rows.h"
#include "dbus/snapshot_reader.h"

namespace akm::dbus {
namespace {

constexpr const char* kName = "org.akm.Root1";
constexpr const char* kPath = "/org/akm/Root1";

void no_arguments(Writer&) {}

}  // namespace

Status RootProxy::call(const char* member, const std::function<void(Writer&)>& write,
                       const std::function<Status(Reader&)>& read) {
  return proxy_.call({kName, kPath, kName, member}, write, read);
}

Result<std::uint64_t> RootProxy::number(const char* member, const std::function<void(Writer&)>& write) {
  std::uint64_t out = 0;
  const Status done = call(member, write, [&](Reader& in) -> Status {
    AKM_ASSIGN(out, in.u64());
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return out;
}

Result<RootProxy::Prepared> RootProxy::prepared(const char* member,
                                                const std::function<void(Writer&)>& write) {
  Prepared out;
  const Status done = call(member, write, [&](Reader& in) -> Status {
    AKM_ASSIGN(out.nmm_id, in.u64());
    AKM_ASSIGN(out.path, in.text(limits::kTextBytes));
    AKM_ASSIGN(out.code, in.fd());
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return out;
}

template <typename Row>
Result<std::vector<Row>> RootProxy::rows(const char* member, const std::function<void(Writer&)>& write) {
  std::vector<Row> out;
  AKM_TRY(call(member, write, [&](Reader& in) { return read_rows(in, out); }));
  return out;
}

Result<root::StatusSnapshot> RootProxy::status() {
  root::StatusSnapshot out;
  const Status done = proxy_.call(
      {kName, kPath, "org.freedesktop.DBus.Properties", "GetAll"}, [](Writer& to) { to.text(kName); },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(out, read_root_status(in));
        return {};
      });
  if (!done) return std::unexpected(done.error());
  return out;
}

Result<std::vector<root::NmmSnapshot>> RootProxy::nmms() {
  return rows<root::NmmSnapshot>("ListNmms", no_arguments);
}

Status RootProxy::create_root_secret() {
  return call("CreateRootSecret", no_arguments, [](Reader&) -> Status { return {}; });
}

Result<RootProxy::Prepared> RootProxy::prepare_nmm(const Prepare& what, const std::string& directory) {
  return prepared("PrepareNmm", [&](Writer& out) {
    out.text(what.nmm_name)
        .u64(what.nmm_id)
        .bytes(what.hardware_value)
        .texts(what.nmm_endpoints)
        .text(directory);
  });
}

Result<std::uint64_t> RootProxy::provision_nmm(const Prepare& what, const std::string& bus_address) {
  return number("ProvisionNmm",
                [&](Writer& out) { out.text(what.nmm_name).texts(what.nmm_endpoints).text(bus_address); });
}

Result<RootProxy::Prepared> RootProxy::replace_nmm(std::uint64_t nmm_id,
                                                   const std::vector<std::uint8_t>& hardware_value,
                                                   const std::string& directory) {
  return prepared("ReplaceNmm", [&](Writer& out) { out.u64(nmm_id).bytes(hardware_value).text(directory); });
}

Result<std::uint64_t> RootProxy::replace_nmm_direct(std::uint64_t nmm_id, const std::string& bus_address) {
  return number("ReplaceNmmDirect", [&](Writer& out) { out.u64(nmm_id).text(bus_address); });
}

Result<RootProxy::PreparedOnToken> RootProxy::prepare_nmm_on_token(const Prepare& what,
                                                                   const std::string& uri,
                                                                   const UniqueFd& pin) {
  PreparedOnToken made;
  AKM_TRY(call(
      "PrepareNmmOnToken",
      [&](Writer& out) {
        out.text(what.nmm_name).u64(what.nmm_id).u64(what.replaces).bytes(what.hardware_value);
        out.texts(what.nmm_endpoints).text(uri).fd(pin.get());
      },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(made.nmm_id, in.u64());
        AKM_ASSIGN(made.token, in.text(limits::kTextBytes));
        AKM_ASSIGN(made.sealed, in.boolean());
        return {};
      }));
  return made;
}

Result<RootProxy::PreparedForTpm> RootProxy::prepare_nmm_for_tpm(const Prepare& what,
                                                                 const std::vector<std::uint8_t>& identity,
                                                                 const std::string& place) {
  PreparedForTpm made;
  AKM_TRY(call(
      "PrepareNmmForTpm",
      [&](Writer& out) {
        out.text(what.nmm_name).u64(what.nmm_id).u64(what.replaces).texts(what.nmm_endpoints);
        out.bytes(identity).text(place);
      },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(made.nmm_id, in.u64());
        AKM_ASSIGN(made.path, in.text(limits::kTextBytes));
        AKM_ASSIGN(made.fingerprint, in.text(limits::kNameBytes));
        AKM_ASSIGN(made.digest, in.text(limits::kNameBytes));
        AKM_ASSIGN(made.certified, in.boolean());
        AKM_ASSIGN(made.certificate, in.text(limits::kTextBytes));
        return {};
      }));
  return made;
}

Result<DirectOffer> RootProxy::begin_direct(const Prepare& what, const std::string& bus_address) {
  DirectOffer offer;
  AKM_TRY(call(
      "BeginDirect",
      [&](Writer& out) {
        out.text(what.nmm_name).texts(what.nmm_endpoints).u64(what.replaces).text(bus_address);
      },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(offer, read_offer(in));
        return {};
      }));
  return offer;
}

Result<std::uint64_t> RootProxy::confirm_direct(std::uint64_t handle, const std::string& fingerprint) {
  return number("ConfirmDirect", [&](Writer& out) { out.u64(handle).text(fingerprint); });
}

Result<std::uint64_t> RootProxy::prune_history(std::uint64_t revision) {
  return number("PruneHistory", [&](Writer& out) { out.u64(revision); });
}

Result<std::vector<store::ReportRow>> RootProxy::reports(Kind kind, std::uint64_t nmm_id,
                                                         std::uint64_t after_nmm, std::uint64_t after_id) {
  return rows<store::ReportRow>("ListReports", [&](Writer& out) {
    out.text(store::kind_name(kind)).u64(nmm_id).u64(after_nmm).u64(after_id);
  });
}

Result<std::vector<store::IncidentRow>> RootProxy::incidents(std::uint64_t nmm_id, std::uint64_t after) {
  return rows<store::IncidentRow>("ListIncidents", [&](Writer& out) { out.u64(nmm_id).u64(after); });
}

Result<std::vector<store::ConfigRecord>> RootProxy::records(Kind kind, std::uint64_t after) {
  auto found = rows<store::ConfigRecord>("ListRecords",
                                         [&](Writer& out) { out.text(store::kind_name(kind)).u64(after); });
  if (!found) return found;
  for (store::ConfigRecord& record : *found) record.kind = kind;
  return found;
}

Result<std::vector<store::Change>> RootProxy::history(std::uint64_t after) {
  return rows<store::Change>("ListHistory", [&](Writer& out) { out.u64(after); });
}

Result<store::ConfigRecord> RootProxy::get(Kind kind, std::uint64_t id) {
  store::ConfigRecord out{kind, id, 0, {}};
  const Status done = call(
      "GetRecord", [&](Writer& to) { to.text(store::kind_name(kind)).u64(id); },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(out.revision, in.u64());
        AKM_ASSIGN(out.fields, read_fields(in));
        return {};
      });
  if (!done) return std::unexpected(done.error());
  return out;
}

Result<std::uint64_t> RootProxy::set(Kind kind, std::uint64_t id, const store::Fields& changes,
                                     std::optional<std::uint64_t> expected_revision) {
  return number("SetRecord", [&](Writer& out) {
    out.text(store::kind_name(kind)).u64(id).text_map(changes);
    out.i64(expected_revision ? static_cast<std::int64_t>(*expected_revision) : -1);
  });
}

Result<std::uint64_t> RootProxy::remove(Kind kind, std::uint64_t id) {
  return number("RemoveRecord", [&](Writer& out) { out.text(store::kind_name(kind)).u64(id); });
}

Result<std::vector<store::FieldDifference>> RootProxy::diff(std::uint64_t from, std::uint64_t to) {
  return rows<store::FieldDifference>("Diff", [&](Writer& out) { out.u64(from).u64(to); });
}

Result<std::uint64_t> RootProxy::rollback(std::uint64_t revision) {
  return number("Rollback", [&](Writer& out) { out.u64(revision); });
}

}  // namespace akm::dbus
