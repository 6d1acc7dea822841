// Covers dbus::read_node_status, read_nmm_status, read_asr, read_managed_asrs, read_nodes, read_event,
// read_drives: what akmctl takes from a daemon, or from whoever answers in its place. Input: a byte for the
// reader, one for the signature (another reader's, sometimes), then the body.
#include "dbus/limits.h"
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

constexpr std::array kAnswers{
    Answer{"a{sv}",
           [](dbus::Reader& in) {
             const auto status = read_node_status(in);
             if (!status) return;
             is_plain(status->node_name + status->listen);
             for (const std::string& finding : status->findings) is_plain(finding);
             for (const auto& [name, value] : status->probes) is_plain(name + value);
             for (const auto& one : status->bundles) is_plain(one.device + one.file + one.refusal);
             for (const auto& [name, value] : status->counters) is_plain(name);
           }},
    Answer{"a{sv}",
           [](dbus::Reader& in) {
             const auto status = read_nmm_status(in);
             if (!status) return;
             is_plain(status->state + status->name);
             for (const std::string& finding : status->findings) is_plain(finding);
             for (const auto& [name, value] : status->counters) is_plain(name);
           }},
    Answer{"a{sv}",
           [](dbus::Reader& in) {
             const auto asr = read_asr(in);
             if (!asr) return;
             is_plain(asr->label);
             for (const auto& [name, value] : asr->policy) is_plain(name + value);
             for (const auto& member : asr->members) {
               is_plain(member.name + member.waits_for);
               for (const std::string& endpoint : member.endpoints) is_plain(endpoint);
             }
             for (const auto& one : asr->stragglers) is_plain(one.name + one.waits_for);
           }},
    Answer{"a{oa{sa{sv}}}", [](dbus::Reader& in) { (void)read_managed_asrs(in); }},
    Answer{"a(tssusxats)",
           [](dbus::Reader& in) {
             const auto nodes = read_nodes(in);
             if (!nodes) return;
             for (const auto& node : *nodes) is_plain(node.name + node.state);
           }},
    Answer{"syxta{ss}",
           [](dbus::Reader& in) {
             const auto event = read_event(in);
             if (!event) return;
             is_plain(event->name);
             for (const auto& [key, value] : event->fields) is_plain(key + value);
           }},
    Answer{"a(sstsass)",
           [](dbus::Reader& in) {
             const auto drives = read_drives(in);
             if (!drives) return;
             for (const auto& one : *drives) is_plain(one.device + one.model + one.filesystem + one.refusal);
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
