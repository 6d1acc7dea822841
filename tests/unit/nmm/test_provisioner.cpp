#include "daemon/nmm/provisioner.h"

#include <criterion/criterion.h>

#include <chrono>

#include <cstdlib>
#include <filesystem>
#include "tests/unit/nmm/nmm_net.h"

#include "daemon/base/atomic_file.h"
#include "dbus/sealed_memfd.h"
using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TestSuite(provisioner, .init = quiet);

namespace {

struct Folder {
  std::string path = (std::filesystem::temp_directory_path() / "akm-nmm-XXXXXX").string();
  Folder() { cr_assert_not_null(::mkdtemp(path.data())); }
  Folder(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }
};

}  // namespace

Test(provisioner, a_bundle_file_opens_with_its_code_and_provisions_its_node) {
  const Folder drive;
  NmmNet net(1);
  FakeNode& node = *net.nodes[0];
  ControlPort::Prepare what{node.name, {node.hardware.begin(), node.hardware.end()}, {"10.0.1.1:7400"}};
  std::optional<Result<ControlPort::Prepared>> made;
  net.nmm->prepare_bundle(what, {drive.path, false},
                          [&made](Result<ControlPort::Prepared> r) { made = std::move(r); });
  cr_assert_not(made.has_value(), "scrypt is not for the loop thread");
  cr_assert(std::filesystem::is_empty(drive.path));
  net.run_aside();
  cr_assert_not(made.has_value(), "the place is there, nothing more");
  net.run_aside();
  cr_assert(made->has_value());
  cr_assert_eq((*made)->path, drive.path + "/n0.akmbundle");
  const auto typed = dbus::read_sealed_memfd((*made)->code.get(), 256);
  cr_assert(typed.has_value());
  const auto code =
      protocol::parse_code({reinterpret_cast<const char*>(typed->reveal().data()), typed->size()});
  cr_assert(code.has_value());
  const auto bytes = read_file((*made)->path, protocol::kBundleBytes);
  const auto content = protocol::open_bundle(*bytes, *code);
  cr_assert(content.has_value());
  cr_assert_eq(content->identity.node_id, (*made)->node_id);
  cr_assert(content->check == *protocol::hardware_check(node.hardware, content->use_id));
  node.provision(*content);
  node.activate();
  net.run(seconds(1));
  cr_assert_eq(net.nmm->nodes().at(0).state, "active");
  net.nmm->prepare_bundle(what, {drive.path, false},
                          [&made](Result<ControlPort::Prepared> r) { made = std::move(r); });
  net.run_aside();
  cr_assert(made->error().code == Errc::already_exists);
  cr_assert_eq(net.nmm->nodes().at(0).serial, 1U, "no serial is used up by a drive that is not empty");
}

Test(provisioner, a_full_queue_and_a_lost_drive_are_errors_of_their_call) {
  NmmNet net(1);
  const ControlPort::Prepare what{"x", std::vector<std::uint8_t>(32, 1), {}};
  std::vector<Errc> errors;
  const auto prepare = [&](const std::string& directory) {
    net.nmm->prepare_bundle(what, {directory, false}, [&errors](Result<ControlPort::Prepared> r) {
      errors.push_back(r ? Errc::internal : r.error().code);
    });
  };
  const Folder drive;
  net.aside_full = true;
  prepare(drive.path);
  net.aside_full = false;
  {
    const Folder pulled_out;
    prepare(pulled_out.path);
  }
  net.run_aside();
  cr_assert(errors == (std::vector<Errc>{Errc::busy, Errc::not_found}));
}

Test(provisioner, the_same_name_again_is_the_next_serial) {
  NmmNet net(1);
  FakeNode& node = *net.nodes[0];
  const auto first = net.prepare(node, true);
  const auto second = net.prepare(node, true);
  cr_assert_eq(second->identity.node_id, first->identity.node_id);
  cr_assert_eq(second->identity.asr_id, first->identity.asr_id);
  cr_assert_eq(second->identity.serial, 2U);
  cr_assert(second->mask != first->mask);
  cr_assert(second->use_id != first->use_id);
  node.provision(*second);
  node.activate();
  net.run(seconds(1));
  cr_assert_eq(net.nmm->nodes().at(0).state, "active");
}

Test(provisioner, an_active_node_goes_on_under_its_serial_until_it_uses_the_next) {
  NmmNet net(2);
  net.activate_all();
  const auto asr = net.create(2);
  const auto next = net.prepare(*net.nodes[0], true);
  net.nodes[0]->heartbeat();
  net.run(seconds(1));
  cr_assert(net.nodes[0]->last_response->status == protocol::ControlStatus::ok);
  net.nodes[0]->provision(*next);
  net.nodes[0]->activate();
  net.run(seconds(1));
  cr_assert(net.nodes[0]->last_response->status == protocol::ControlStatus::ok);
  cr_assert(net.agreed(asr, 1, {0, 1}));
}

Test(provisioner, what_makes_no_sense_is_refused) {
  NmmNet net(0);
  const auto refused = [&net](ControlPort::Prepare what) {
    const auto made = net.nmm->provisioner().prepare(what);
    return made ? Errc::internal : made.error().code;
  };
  cr_assert(refused({"", {}, {}}) == Errc::invalid_argument);
  cr_assert(refused({"../x", {}, {}}) == Errc::invalid_argument);
  cr_assert(refused({"x", {1, 2, 3}, {}}) == Errc::invalid_argument);
  cr_assert(refused({"x", {}, {"nonsense"}}) != Errc::internal);
  cr_assert(refused({"x", {}, {"10.0.0.9:1", "10.0.0.9:2", "10.0.0.9:3", "10.0.0.9:4", "10.0.0.9:5"}}) ==
            Errc::limit_exceeded);
  cr_assert(net.nmm->nodes().empty());
}

Test(provisioner, without_a_root_secret_there_are_no_credentials) {
  NmmNet net(0);
  net.store.records.clear();
  net.restart_nmm();
  cr_assert_eq(net.nmm->status().state, "no-root-secret");
  cr_assert(net.nmm->provisioner().prepare({"x", {}, {}}).error().code == Errc::wrong_state);
}
