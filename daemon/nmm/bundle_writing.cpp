#include "daemon/nmm/bundle_writing.h"

#include <memory>
#include <optional>
#include <utility>

#include "daemon/nmm/bundle_drive.h"
#include "daemon/nmm/bundle_target.h"
#include "dbus/sealed_memfd.h"

namespace akm::nmm {
namespace {

/// What the thread aside works on: it may outlive the call, and knows nothing of the role.
struct Writing {
  ControlPort::Destination to;
  std::string name;
  service::MakeBundle make;
  Reply<WrittenBundle> reply;
  std::optional<BundleTarget> target;
  protocol::BundleContent content;
  WrittenBundle out;

  Status look() {
    AKM_TRY(check_node_name(name));
    AKM_ASSIGN(target, BundleTarget::open(to.place, to.force));
    return check_bundle_place(*target, name);
  }
  void make_content(service::BundleReply made) { make(std::move(made)); }
  Status seal() {
    SystemRandom random;
    AKM_ASSIGN(const SecretBuffer code, protocol::generate_code(random));
    AKM_ASSIGN(const auto bytes, protocol::seal_bundle(content, code, random));
    AKM_ASSIGN(const SecretBuffer shown, protocol::format_code(code));
    out.id = content.identity.node_id;
    AKM_ASSIGN(out.code, dbus::make_sealed_memfd("akm-one-time-code", shown.reveal()));
    AKM_ASSIGN(out.path, write_bundle_file(*target, name, bytes));
    target.reset();  // unmounted before anybody is told that it is done
    return {};
  }
  void answer(const Status& done) {
    target.reset();
    reply(done ? Result<WrittenBundle>(std::move(out)) : std::unexpected(done.error()));
  }
};

}  // namespace

void write_bundle(const service::RunAside& run_aside, ControlPort::Destination to, const std::string& name,
                  service::MakeBundle make, Reply<WrittenBundle> reply) {
  const auto work = std::make_shared<Writing>();
  work->to = std::move(to);
  work->name = name;
  work->make = std::move(make);
  work->reply = std::move(reply);
  // A drive takes what time it likes, and scrypt half a second: not on the loop thread.
  service::make_in_steps(run_aside, work);
}

}  // namespace akm::nmm
