// Covers dbus::read_rows and read_root_status: what akmctl takes from a Root, or from whoever answers in its
// place. Input: a byte for the reader, one for the signature (another reader's, sometimes), then the body.
#include "dbus/root_rows.h"
#include "dbus/snapshot_reader.h"
#include "tests/fuzz/wire_bus.h"

using namespace akm;
using namespace akm::dbus;
using akm::fuzz::require;

namespace {

struct Answer {
  const char* signature;
  void (*read)(dbus::Reader& in);
};

void is_plain(std::string_view text) {
  require(is_plain_text(text), "what ends on a terminal is plain");
}
void are_plain(const store::Fields& fields) {
  for (const auto& [name, value] : fields) is_plain(name + value);
}

template <typename Row>
std::vector<Row> rows_of(dbus::Reader& in) {
  std::vector<Row> rows;
  return read_rows(in, rows) ? rows : std::vector<Row>{};
}

constexpr std::array kAnswers{
    Answer{"a(tssusxsuu)",
           [](dbus::Reader& in) {
             for (const auto& row : rows_of<root::NmmSnapshot>(in))
               is_plain(row.name + row.state + row.endpoint);
           }},
    Answer{"a(tttxa{ss})",
           [](dbus::Reader& in) {
             for (const auto& row : rows_of<store::ReportRow>(in)) are_plain(row.fields);
           }},
    Answer{"a(ttxsytta{ss})",
           [](dbus::Reader& in) {
             for (const auto& row : rows_of<store::IncidentRow>(in)) {
               is_plain(row.name);
               are_plain(row.fields);
             }
           }},
    Answer{"a(tta{ss})",
           [](dbus::Reader& in) {
             for (const auto& row : rows_of<store::ConfigRecord>(in)) are_plain(row.fields);
           }},
    Answer{"a(txststsa{ss}a{ss})",
           [](dbus::Reader& in) {
             for (const auto& row : rows_of<store::Change>(in)) {
               is_plain(row.who);
               if (row.before) are_plain(*row.before);
               if (row.after) are_plain(*row.after);
             }
           }},
    Answer{"a(stsbsbs)",
           [](dbus::Reader& in) {
             for (const auto& row : rows_of<store::FieldDifference>(in)) {
               is_plain(row.field + (row.before ? *row.before : "") + (row.after ? *row.after : ""));
             }
           }},
    Answer{"a{sv}",
           [](dbus::Reader& in) {
             const auto status = read_root_status(in);
             if (!status) return;
             is_plain(status->state + status->name + status->database);
             for (const std::string& finding : status->findings) is_plain(finding);
           }},
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::WireBus bus;
  fuzz::Input input(data, size);
  const Answer& reply = kAnswers[input.below(kAnswers.size())];
  const std::uint8_t other = input.u8();
  const char* signature = other < kAnswers.size() ? kAnswers[other].signature : reply.signature;
  bus.receive(signature, input.rest(), -1, [&](sd_bus_message* message) {
    dbus::Reader reader(message);
    reply.read(reader);
  });
  return 0;
}
