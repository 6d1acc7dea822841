#include "daemon/service/bundle_import.h"

#include <utility>

#include "daemon/crypto/digest.h"
#include "dbus/limits.h"
#include "dbus/sealed_memfd.h"
#include "keyring/token_pin.h"

namespace akm::service {
namespace {

Result<SecretBuffer> read_code(const UniqueFd& fd) {
  AKM_ASSIGN(const SecretBuffer typed, dbus::read_sealed_memfd(fd.get(), dbus::limits::kCodeBytes));
  const auto bytes = typed.reveal();
  return protocol::parse_code({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Result<SecretBuffer> read_pin(const keyring::TokenPlace& place, const UniqueFd& fd) {
  AKM_TRY(keyring::TokenUri::parse(place.uri));
  AKM_ASSIGN(SecretBuffer typed, dbus::read_sealed_memfd(fd.get(), dbus::limits::kPinBytes));
  return keyring::parse_pin(std::move(typed));
}

Result<protocol::BundleContent> read_token(const keyring::TokenPlace& place, const SecretBuffer& pin) {
  AKM_ASSIGN(const keyring::VaultContent vault, keyring::read_vault(place, pin));
  AKM_ASSIGN(auto content, protocol::decode_token_bundle(vault.content.reveal()));
  if (content.identity.node_name != vault.node)
    return fail(Errc::not_authentic, "the bundle is another node's than the token says");
  return content;
}

}  // namespace

/// What goes back and forth between the loop and the thread aside.
struct BundleImport::Import {
  Place place;
  SecretBuffer code;  // a token's PIN
  Done done;
  Result<BundleSource> source = fail(Errc::internal, "not read yet");  // not of a token
  Found found;
  Result<protocol::BundleContent> content = fail(Errc::internal, "not opened yet");
  /// Makes the bundle useless where it was found. Called aside, once the credentials are stored.
  std::function<Status(const std::string& receipt)> consume;
  std::string receipt;
  Status consumed = fail(Errc::busy);

  /// Called aside: a drive may take what time it likes.
  void open_source() {
    source = BundleSource::open(place.path, place.also);
    if (!source) return;
    found = {source->way(), place.path, crypto::sha256({source->bytes()})};
    consume = [this](const std::string& text) { return source->consume(text); };
  }
};

BundleImport::Shared BundleImport::begin(Done done) {
  current_ = std::make_shared<Import>();
  current_->done = std::move(done);
  return current_;
}

void BundleImport::from_file(Place place, UniqueFd code, Done done) {
  if (current_) return done(fail(Errc::busy, "provisioning is under way"));
  auto typed = read_code(code);
  if (!typed) return done(std::unexpected(typed.error()));
  const Shared import = begin(std::move(done));
  import->place = std::move(place);
  import->code = std::move(*typed);
  aside(import, [](Import& one) { one.open_source(); }, &BundleImport::found);
}

/// A module may block, or answer anything: it is asked aside, and the loop goes on.
void BundleImport::from_token(keyring::TokenPlace place, UniqueFd pin, Done done) {
  if (current_) return done(fail(Errc::busy, "provisioning is under way"));
  auto typed = read_pin(place, pin);
  if (!typed) return done(std::unexpected(typed.error()));
  const Shared import = begin(std::move(done));
  import->code = std::move(*typed);
  import->found.way = "token";
  aside(
      import,
      [place = std::move(place)](Import& one) {
        one.content = read_token(place, one.code);
        one.consume = [&one, place](const std::string& receipt) {
          return keyring::consume_vault(place, one.code, one.content->identity.node_name, receipt);
        };
      },
      &BundleImport::take);
}

void BundleImport::from_sealed_file(Place place, Open open, Done done) {
  if (current_) return done(fail(Errc::busy, "provisioning is under way"));
  const Shared import = begin(std::move(done));
  import->place = std::move(place);
  aside(
      import,
      [open = std::move(open)](Import& one) {
        one.open_source();
        one.content = one.source ? open(one.source->bytes()) : std::unexpected(one.source.error());
      },
      &BundleImport::take);
}

void BundleImport::aside(const Shared& import, std::function<void(Import&)> work,
                         void (BundleImport::*then)(const Shared&)) {
  const Status taken =
      parts_.run_aside([this, import, work = std::move(work), then]() -> keyring::TpmWorker::Completion {
        work(*import);
        return [this, import, then] {
          if (import == current_) (this->*then)(import);
        };
      });
  if (taken) return;
  if (then == &BundleImport::opened) (void)tries_.give_back(*import->found.digest);  // its code was not tried
  end(taken);
}

void BundleImport::found(const Shared& import) {
  if (!import->source) return end(std::unexpected(import->source.error()));
  if (const Status may = tries_.begin(*import->found.digest, parts_.now()); !may) return end(may);
  // scrypt takes some tenths of a second.
  aside(
      import, [](Import& one) { one.content = protocol::open_bundle(one.source->bytes(), one.code); },
      &BundleImport::opened);
}

void BundleImport::opened(const Shared& import) {
  if (import->content) {
    (void)tries_.opened(*import->found.digest);  // else its tries count on, for a bundle that opens no more
    return take(import);
  }
  Error error = import->content.error();
  if (error.code != Errc::wrong_code) {
    (void)tries_.give_back(*import->found.digest);  // else it counts: more cautious, not wrong
    return end(std::unexpected(std::move(error)));
  }
  error.detail = tries_.failed(*import->found.digest, parts_.now());
  parts_.wrong_code(tries_.remaining(*import->found.digest));
  end(std::unexpected(std::move(error)));
}

void BundleImport::take(const Shared& import) {
  if (!import->content) return end(std::unexpected(import->content.error()));
  auto receipt = parts_.take(*import->content, import->found);
  if (!receipt) return end(std::unexpected(receipt.error()));
  import->receipt = std::move(*receipt);
  // From here on the credentials are there, also if the drive or the token was pulled out.
  const Status started = parts_.run_aside([this, import]() -> keyring::TpmWorker::Completion {
    import->consumed = import->consume(import->receipt);
    return [this, import] {
      if (import == current_) consumed(import);
    };
  });
  if (!started) consumed(import);
}

void BundleImport::consumed(const Shared& import) {
  parts_.removed(import->found, import->consumed);
  end({});
}

void BundleImport::end(const Status& outcome) {
  const Shared ended = std::exchange(current_, {});  // whoever is answered may begin another
  std::exchange(ended->done, {})(outcome);
}

void BundleImport::abandon(const Error& why) {
  if (current_) end(std::unexpected(why));
}

}  // namespace akm::service
