// Covers dbus::read_name, read_path, read_endpoints, read_hardware_value, read_node_ids, read_id,
// read_policy, read_sealed_fd, check_sealed_memfd, and under them dbus::Reader. Input: a byte for the reader,
// one for the signature (another method's, sometimes), one for the descriptor that comes along, then the
// body.
#include <sys/mman.h>

#include "dbus/arguments.h"
#include "dbus/limits.h"
#include "dbus/sealed_memfd.h"
#include "tests/fuzz/wire_bus.h"

using namespace akm;
using namespace akm::dbus;
using akm::fuzz::require;

namespace {

struct Method {
  const char* signature;
  void (*read)(dbus::Reader& in);
};

constexpr std::array kMethods{
    Method{"s",
           [](dbus::Reader& in) {
             const auto name = read_name(in, "a name");
             require(!name || (!name->empty() && name->size() <= dbus::limits::kNameBytes &&
                               is_plain_text(*name) && !name->contains('/')),
                     "a name is plain and short");
           }},
    Method{"s",
           [](dbus::Reader& in) {
             const auto path = read_path(in, "a path");
             require(!path || (path->starts_with('/') && !path->contains("//") &&
                               !(*path + "/").contains("/../") && !(*path + "/").contains("/./")),
                     "a path is absolute and leads nowhere else");
           }},
    Method{"as",
           [](dbus::Reader& in) {
             const auto list = read_endpoints(in);
             require(!list || list->size() <= dbus::limits::kEndpoints, "endpoints are few");
           }},
    Method{"ay",
           [](dbus::Reader& in) {
             const auto value = read_hardware_value(in);
             require(!value || value->empty() || value->size() == 32,
                     "a hardware value has 32 bytes or none");
           }},
    Method{"at",
           [](dbus::Reader& in) {
             const auto ids = read_node_ids(in);
             require(!ids || (!ids->empty() && ids->size() <= dbus::limits::kNodesPerAsr),
                     "nodes are bounded");
           }},
    Method{"t", [](dbus::Reader& in) { require(read_id(in, "an id") != std::uint64_t{0}, "no id is 0"); }},
    Method{"a{ss}",
           [](dbus::Reader& in) {
             const auto policy = read_policy(in);
             require(!policy || policy->size() <= dbus::limits::kPolicyFields, "a policy is bounded");
           }},
    Method{"h",
           [](dbus::Reader& in) {
             if (const auto fd = read_sealed_fd(in, 64))
               require(read_sealed_memfd(fd->get(), 64).has_value(), "what is sealed can be read");
           }},
    Method{"sasay",
           [](dbus::Reader& in) {
             (void)(read_name(in, "a name") && read_endpoints(in) && read_hardware_value(in));
           }},
    Method{
        "sata{ss}",
        [](dbus::Reader& in) { (void)(read_name(in, "a label") && read_node_ids(in) && read_policy(in)); }},
    Method{"saysi",
           [](dbus::Reader& in) {
             if (!read_name(in, "a consumer")) return;
             if (const auto context = in.bytes(64)) require(context->size() <= 64, "a context is bounded");
             (void)(in.text(64) && in.i32());
           }},
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::WireBus bus;
  static const UniqueFd sealed = *make_sealed_memfd("fuzz", std::array<std::uint8_t, 3>{1, 2, 3});
  static const UniqueFd open_to_all(memfd_create("fuzz", MFD_CLOEXEC));
  fuzz::Input input(data, size);
  const Method& method = kMethods[input.below(kMethods.size())];
  const std::uint8_t other = input.u8();
  const char* signature = other < kMethods.size() ? kMethods[other].signature : method.signature;
  const std::uint8_t with = input.u8();
  const int fd = with == 1 ? sealed.get() : with == 2 ? open_to_all.get() : -1;
  bus.receive(signature, input.rest(), fd, [&](sd_bus_message* message) {
    dbus::Reader reader(message);
    method.read(reader);
  });
  return 0;
}
