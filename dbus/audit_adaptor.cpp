#include "dbus/audit_adaptor.h"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <utility>

#include "dbus/errors.h"
#include "dbus/limits.h"

namespace akm::dbus {
namespace {

constexpr const char* kRecordType = "(txxuytuutsa{ss})";
constexpr const char* kIncidentType = "(tttuxxssss)";

Result<AuditDigest> read_digest(Reader& in) {
  AuditDigest out{};
  AKM_ASSIGN(const auto bytes, in.bytes(out.size()));
  if (bytes.size() != out.size()) return fail(Errc::invalid_argument, "a digest has 32 bytes");
  std::ranges::copy(bytes, out.begin());
  return out;
}

Result<std::vector<AuditSeal>> read_seals(Reader& in) {
  std::vector<AuditSeal> out;
  AKM_ASSIGN(const bool array, in.enter('a', "(txuayay)"));
  if (!array) return fail(Errc::malformed, "seals");
  for (;;) {
    AKM_ASSIGN(const bool more, in.enter('r', "txuayay"));
    if (!more) break;
    if (out.size() == limits::kAuditSeals) return fail(Errc::too_large, "seals");
    AuditSeal& seal = out.emplace_back();
    AKM_ASSIGN(seal.number, in.u64());
    AKM_ASSIGN(seal.boottime_ns, in.i64());
    AKM_ASSIGN(seal.start, in.u32());
    AKM_ASSIGN(seal.before, read_digest(in));
    AKM_ASSIGN(seal.seal, read_digest(in));
    AKM_TRY(in.exit());
  }
  AKM_TRY(in.exit());
  return out;
}

void write_record(Writer& out, const AuditRecord& record) {
  out.open('r', "txxuytuutsa{ss}");
  out.u64(record.number).i64(record.boottime_ns).i64(record.unix_ns).u32(record.start).u8(record.severity);
  out.u64(record.asr_id).u32(record.generation).u32(record.epoch).u64(record.incident).text(record.name);
  out.text_map(record.fields);
  out.close();
}

void write_incident(Writer& out, const IncidentSummary& one) {
  out.open('r', "tttuxxssss");
  out.u64(one.id).u64(one.first).u64(one.last).u32(one.records).i64(one.boottime_ns).i64(one.unix_ns);
  out.text(one.detection).text(one.grade).text(one.node).text(one.state);
  out.close();
}

/// Answers with an array of what `write` makes of each.
template <typename T, typename Write>
Reply<std::vector<T>> reply_rows(Call call, const char* type, Write write) {
  return [call = std::move(call), type, write](Result<std::vector<T>> rows) mutable {
    if (!rows) return call.fail(rows.error());
    call.reply([&](Writer& out) {
      out.open('a', type);
      for (const T& row : *rows) write(out, row);
      out.close();
    });
  };
}

}  // namespace

struct AuditAdaptor::Vtable {
  template <auto Parse>
  static int method(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto* self = static_cast<AuditAdaptor*>(userdata);
    Reader in(message);
    return dispatch(self->authorizer_, message, (self->*Parse)(in));
  }
  static const sd_bus_vtable* table();
};

const sd_bus_vtable* AuditAdaptor::Vtable::table() {
  constexpr std::uint64_t kOpen = SD_BUS_VTABLE_UNPRIVILEGED;  // the authorizer decides, not sd-bus
  using Self = AuditAdaptor;
  static const sd_bus_vtable kTable[] = {
      SD_BUS_VTABLE_START(0),
      SD_BUS_METHOD_WITH_ARGS("Verify", SD_BUS_NO_ARGS,
                              SD_BUS_ARGS("u", files, "t", records, "t", first, "t", last, "t", sealed, "as",
                                          findings, "as", notes),
                              method<&Self::verify>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ListRecords", SD_BUS_ARGS("t", after, "u", most, "t", incident),
                              SD_BUS_ARGS("a(txxuytuutsa{ss})", records), method<&Self::list_records>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ListIncidents", SD_BUS_ARGS("t", after, "u", most),
                              SD_BUS_ARGS("a(tttuxxssss)", incidents), method<&Self::list_incidents>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("CheckSeals", SD_BUS_ARGS("a(txuayay)", seals), SD_BUS_ARGS("at", bad),
                              method<&Self::check_seals>, kOpen),
      SD_BUS_VTABLE_END,
  };
  return kTable;
}

AuditAdaptor::AuditAdaptor(Bus& bus, Authorizer& authorizer, std::string path, AuditPort& port)
    : authorizer_(authorizer), port_(port) {
  bus.add_export([this, path = std::move(path)](sd_bus* handle) -> Status {
    const int r = sd_bus_add_object_vtable(handle, nullptr, path.c_str(), kAuditName, Vtable::table(), this);
    if (r < 0) return std::unexpected(error_from_errno(r, "exporting org.akm.Audit1"));
    return {};
  });
}

Result<Action> AuditAdaptor::verify(Reader&) {
  return [this](Call call) mutable {
    port_.verify([call = std::move(call)](Result<AuditVerdict> found) mutable {
      if (!found) return call.fail(found.error());
      call.reply([&](Writer& out) {
        out.u32(found->files).u64(found->records).u64(found->first).u64(found->last).u64(found->sealed);
        out.texts(found->findings).texts(found->notes);
      });
    });
  };
}

Result<Action> AuditAdaptor::list_records(Reader& in) {
  AKM_ASSIGN(const std::uint64_t after, in.u64());
  AKM_ASSIGN(const std::uint32_t most, in.u32());
  AKM_ASSIGN(const std::uint64_t incident, in.u64());
  return [this, after, most, incident](Call call) mutable {
    port_.records(after, std::min(most, kAuditPage), incident,
                  reply_rows<AuditRecord>(std::move(call), kRecordType, write_record));
  };
}

Result<Action> AuditAdaptor::list_incidents(Reader& in) {
  AKM_ASSIGN(const std::uint64_t after, in.u64());
  AKM_ASSIGN(const std::uint32_t most, in.u32());
  return [this, after, most](Call call) mutable {
    port_.incidents(after, std::min(most, kAuditPage),
                    reply_rows<IncidentSummary>(std::move(call), kIncidentType, write_incident));
  };
}

Result<Action> AuditAdaptor::check_seals(Reader& in) {
  AKM_ASSIGN(auto seals, read_seals(in));
  return [this, seals = std::move(seals)](Call call) {
    const auto bad = port_.check_seals(seals);
    if (!bad) return call.fail(bad.error());
    call.reply([&](Writer& out) { out.u64s(*bad); });
  };
}

}  // namespace akm::dbus
