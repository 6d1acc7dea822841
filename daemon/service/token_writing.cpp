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
  SecretBuffer bundle;
  std::uint64_t id = 0;

  void refuse(const Error& error) { reply(std::unexpected(error)); }
};
using Shared = std::shared_ptr<Work>;

Status put(const RunAside& run_aside, const Shared& work, const Result<protocol::BundleContent>& content) {
  if (!content) return std::unexpected(content.error());
  AKM_ASSIGN(work->bundle, protocol::encode_token_bundle(*content));
  work->id = content->identity.node_id;
  return run_aside([work]() -> keyring::TpmWorker::Completion {
    auto written = keyring::put_in_vault(work->place, work->pin, work->name, work->bundle.reveal());
    return [work, written = std::move(written)] {
      if (!written) return work->refuse(written.error());
      work->reply(WrittenToken{work->id, written->token, written->sealed});
    };
  });
}

Status begin(const RunAside& run_aside, const Shared& work, const UniqueFd& pin) {
  AKM_TRY(keyring::TokenUri::parse(work->place.uri));
  AKM_ASSIGN(SecretBuffer typed, dbus::read_sealed_memfd(pin.get(), dbus::limits::kPinBytes));
  AKM_ASSIGN(work->pin, keyring::parse_pin(std::move(typed)));
  return run_aside([run_aside, work]() -> keyring::TpmWorker::Completion {
    const Status free = keyring::check_vault(work->place, work->pin, work->name);
    return [run_aside, work, free] {
      if (!free) return work->refuse(free.error());
      work->make([run_aside, work](const Result<protocol::BundleContent>& content) {
        if (const Status written = put(run_aside, work, content); !written) work->refuse(written.error());
      });
    };
  });
}

}  // namespace

void write_token(const RunAside& run_aside, keyring::TokenPlace place, const UniqueFd& pin,
                 const std::string& name, MakeBundle make, Reply<WrittenToken> reply) {
  const auto work = std::make_shared<Work>(std::move(place), name, std::move(make), std::move(reply),
                                           SecretBuffer(), SecretBuffer());
  if (const Status begun = begin(run_aside, work, pin); !begun) work->refuse(begun.error());
}

}  // namespace akm::service
