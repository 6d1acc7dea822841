#include "daemon/service/token_writing.h"

#include <memory>
#include <utility>

#include "dbus/limits.h"
#include "dbus/sealed_memfd.h"
#include "keyring/token_pin.h"

namespace akm::service {
namespace {

/// What the thread aside works on.
struct Work {
  keyring::TokenPlace place;
  std::string name;
  MakeBundle make;
  Reply<WrittenToken> reply;
  SecretBuffer pin;
  protocol::BundleContent content;
  WrittenToken out;

  Status read_pin(const UniqueFd& typed) {
    AKM_TRY(keyring::TokenUri::parse(place.uri));
    AKM_ASSIGN(SecretBuffer text, dbus::read_sealed_memfd(typed.get(), dbus::limits::kPinBytes));
    AKM_ASSIGN(pin, keyring::parse_pin(std::move(text)));
    return {};
  }
  Status look() { return keyring::check_vault(place, pin, name); }
  void make_content(BundleReply made) { make(std::move(made)); }
  Status seal() {
    AKM_ASSIGN(const SecretBuffer bundle, protocol::encode_token_bundle(content));
    AKM_ASSIGN(auto written, keyring::put_in_vault(place, pin, name, bundle.reveal()));
    out = {content.identity.node_id, std::move(written.token), written.sealed};
    return {};
  }
  void answer(const Status& done) {
    reply(done ? Result<WrittenToken>(std::move(out)) : std::unexpected(done.error()));
  }
};

}  // namespace

void write_token(const RunAside& run_aside, keyring::TokenPlace place, const UniqueFd& pin,
                 const std::string& name, MakeBundle make, Reply<WrittenToken> reply) {
  const auto work = std::make_shared<Work>();
  work->place = std::move(place);
  work->name = name;
  work->make = std::move(make);
  work->reply = std::move(reply);
  if (const Status fit = work->read_pin(pin); !fit) return work->answer(fit);
  make_in_steps(run_aside, work);
}

}  // namespace akm::service
