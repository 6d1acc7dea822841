// The client side of org.akm.Audit1.
#include "dbus/limits.h"
#include "dbus/proxy.h"

namespace akm::dbus {
namespace {

constexpr std::size_t kFields = 64;

Result<AuditRecord> read_record(Reader& in) {
  AuditRecord out;
  AKM_ASSIGN(out.number, in.u64());
  AKM_ASSIGN(out.boottime_ns, in.i64());
  AKM_ASSIGN(out.unix_ns, in.i64());
  AKM_ASSIGN(out.start, in.u32());
  AKM_ASSIGN(out.severity, in.u8());
  AKM_ASSIGN(out.asr_id, in.u64());
  AKM_ASSIGN(out.generation, in.u32());
  AKM_ASSIGN(out.epoch, in.u32());
  AKM_ASSIGN(out.incident, in.u64());
  AKM_ASSIGN(out.name, in.text(limits::kTextBytes));
  AKM_ASSIGN(out.fields, in.text_map(kFields, limits::kTextBytes));
  return out;
}

Result<IncidentSummary> read_incident(Reader& in) {
  IncidentSummary out;
  AKM_ASSIGN(out.id, in.u64());
  AKM_ASSIGN(out.first, in.u64());
  AKM_ASSIGN(out.last, in.u64());
  AKM_ASSIGN(out.records, in.u32());
  AKM_ASSIGN(out.boottime_ns, in.i64());
  AKM_ASSIGN(out.unix_ns, in.i64());
  AKM_ASSIGN(out.detection, in.text(limits::kTextBytes));
  AKM_ASSIGN(out.grade, in.text(limits::kTextBytes));
  AKM_ASSIGN(out.node, in.text(limits::kTextBytes));
  AKM_ASSIGN(out.state, in.text(limits::kTextBytes));
  return out;
}

template <typename T>
Status read_rows(Reader& in, const char* row, Result<T> (*read)(Reader&), std::vector<T>& out) {
  AKM_ASSIGN(const bool array, in.enter('a', ("(" + std::string(row) + ")").c_str()));
  if (!array) return fail(Errc::malformed, "rows");
  for (;;) {
    AKM_ASSIGN(const bool more, in.enter('r', row));
    if (!more) break;
    if (out.size() == limits::kListItems) return fail(Errc::too_large, "rows");
    AKM_ASSIGN(T one, read(in));
    out.push_back(std::move(one));
    AKM_TRY(in.exit());
  }
  return in.exit();
}

}  // namespace

Status Proxy::audit_call(Service service, const char* member, const std::function<void(Writer&)>& write,
                         const std::function<Status(Reader&)>& read) {
  return call({service_name(service), root_of(service), "org.akm.Audit1", member}, write, read);
}

Result<AuditVerdict> Proxy::verify_audit(Service service) {
  AuditVerdict out;
  AKM_TRY(audit_call(
      service, "Verify", [](Writer&) {},
      [&](Reader& in) -> Status {
        AKM_ASSIGN(out.files, in.u32());
        AKM_ASSIGN(out.records, in.u64());
        AKM_ASSIGN(out.first, in.u64());
        AKM_ASSIGN(out.last, in.u64());
        AKM_ASSIGN(out.sealed, in.u64());
        AKM_ASSIGN(out.findings, in.texts(limits::kListItems, limits::kTextBytes));
        AKM_ASSIGN(out.notes, in.texts(limits::kListItems, limits::kTextBytes));
        return {};
      }));
  return out;
}

Result<std::vector<AuditRecord>> Proxy::audit_records(Service service, std::uint64_t after,
                                                      std::uint64_t incident) {
  std::vector<AuditRecord> out;
  AKM_TRY(audit_call(
      service, "ListRecords", [&](Writer& writer) { writer.u64(after).u32(kAuditPage).u64(incident); },
      [&](Reader& in) { return read_rows<AuditRecord>(in, "txxuytuutsa{ss}", read_record, out); }));
  return out;
}

Result<std::vector<IncidentSummary>> Proxy::audit_incidents(Service service, std::uint64_t after) {
  std::vector<IncidentSummary> out;
  AKM_TRY(audit_call(
      service, "ListIncidents", [&](Writer& writer) { writer.u64(after).u32(kAuditPage); },
      [&](Reader& in) { return read_rows<IncidentSummary>(in, "tttuxxssss", read_incident, out); }));
  return out;
}

Result<std::vector<std::uint64_t>> Proxy::check_audit_seals(Service service,
                                                            const std::vector<AuditSeal>& seals) {
  std::vector<std::uint64_t> out;
  AKM_TRY(audit_call(
      service, "CheckSeals",
      [&](Writer& writer) {
        writer.open('a', "(txuayay)");
        for (const AuditSeal& seal : seals) {
          writer.open('r', "txuayay").u64(seal.number).i64(seal.boottime_ns).u32(seal.start);
          writer.bytes({seal.before.begin(), seal.before.end()}).bytes({seal.seal.begin(), seal.seal.end()});
          writer.close();
        }
        writer.close();
      },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(out, in.u64s(limits::kListItems));
        return {};
      }));
  return out;
}

}  // namespace akm::dbus
