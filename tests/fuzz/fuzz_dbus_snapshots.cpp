// Covers dbus::read_node_status, read_nmm_status, read_asr, read_managed_asrs, read_nodes, read_event: what
// akmctl takes from a daemon, or from whoever answers in its place. Input: a byte for the reader, one for the
// signature (another reader's, sometimes), then the body.
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

constexpr std::array kAnswers{
    Answer{"a{sv}",
           [](dbus::Reader& in) {
             const auto status = read_node_status(in);
             require(!status || (is_plain_text(status->node_name) && is_plain_text(status->listen)),
                     "what ends on a terminal is plain");
           }},
    Answer{"a{sv}",
           [](dbus::Reader& in) {
             const auto status = read_nmm_status(in);
             require(!status || (is_plain_text(status->state) && is_plain_text(status->name)),
                     "what ends on a terminal is plain");
           }},
    Answer{"a{sv}",
           [](dbus::Reader& in) {
             const auto asr = read_asr(in);
             if (!asr) return;
             require(is_plain_text(asr->label), "what ends on a terminal is plain");
             for (const auto& member : asr->members)
               require(is_plain_text(member.name + member.waits_for), "a member's name too");
             for (const auto& one : asr->stragglers)
               require(is_plain_text(one.name + one.waits_for), "and a straggler's");
           }},
    Answer{"a{oa{sa{sv}}}", [](dbus::Reader& in) { (void)read_managed_asrs(in); }},
    Answer{"a(tssusxats)",
           [](dbus::Reader& in) {
             const auto nodes = read_nodes(in);
             if (!nodes) return;
             for (const auto& node : *nodes)
               require(is_plain_text(node.name + node.state), "a node's name too");
           }},
    Answer{"syxta{ss}",
           [](dbus::Reader& in) {
             const auto event = read_event(in);
             if (!event) return;
             require(is_plain_text(event->name), "an event's name too");
             for (const auto& [key, value] : event->fields)
               require(is_plain_text(key) && is_plain_text(value), "and what it says");
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
