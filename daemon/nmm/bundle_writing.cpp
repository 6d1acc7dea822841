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

  Status find_place() {
    AKM_TRY(check_node_name(name));
    AKM_ASSIGN(target, BundleTarget::open(to.place, to.force));
    return check_bundle_place(*target, name);
  }
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
using Shared = std::shared_ptr<Writing>;

void seal_aside(const service::RunAside& run_aside, const Shared& work,
                const Result<protocol::BundleContent>& content) {
  if (!content) return work->answer(std::unexpected(content.error()));
  work->content = *content;
  const Status started = run_aside([work]() -> keyring::TpmWorker::Completion {
    Status done = work->seal();
    return [work, done = std::move(done)] { work->answer(done); };
  });
  if (!started) work->answer(started);
}

}  // namespace

void write_bundle(const service::RunAside& run_aside, ControlPort::Destination to, const std::string& name,
                  service::MakeBundle make, Reply<WrittenBundle> reply) {
  const auto work = std::make_shared<Writing>();
  work->to = std::move(to);
  work->name = name;
  work->make = std::move(make);
  work->reply = std::move(reply);
  // A drive takes what time it likes, and scrypt half a second: not on the loop thread.
  const Status started = run_aside([run_aside, work]() -> keyring::TpmWorker::Completion {
    Status found = work->find_place();
    return [run_aside, work, found = std::move(found)] {
      if (!found) return work->answer(found);
      work->make([run_aside, work](const Result<protocol::BundleContent>& content) {
        seal_aside(run_aside, work, content);
      });
    };
  });
  if (!started) work->answer(started);
}

}  // namespace akm::nmm
