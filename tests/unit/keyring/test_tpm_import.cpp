// What software wraps (daemon/protocol/tpm_wrapping.h) opens in a TPM: in ours, and with tpm2-tools.
#include "keyring/tpm_import.h"

#include <criterion/criterion.h>

#include <fstream>
#include <functional>

#include "daemon/protocol/tpm_wrapping.h"
#include "keyring/tpm_identity.h"
#include "keyring/tpm_keys.h"
#include "keyring/tpm_templates.h"
#include "tests/support/faulty_tcti.h"
#include "tests/support/run_program.h"
#include "tests/support/seeded_random.h"
#include "tests/support/swtpm_fixture.h"

using namespace akm;
using namespace akm::keyring;
using akm::test::SwTpm;
using akm::test::TpmFault;
using protocol::TpmSecret;
using Bytes = std::vector<std::uint8_t>;

namespace {

std::unique_ptr<SwTpm> software_tpm() {
  if (!akm::test::have_swtpm()) cr_skip("%s", akm::test::kNoSwtpm);
  return std::make_unique<SwTpm>();
}

TpmSecret secret_of(std::uint8_t value) {
  TpmSecret out;
  std::ranges::fill(out.reveal_mutable(), value);
  return out;
}

/// What an NMM makes of a TPM's identity.
struct Wrapped {
  Bytes endorsement_area;
  Bytes storage_area;
  protocol::TpmName endorsement{};
  protocol::TpmName storage{};
  protocol::TpmName attestation{};
  protocol::Duplicate duplicate;
  Bytes storage_credential;
  Bytes attestation_credential;

  explicit Wrapped(const SwTpm& machine, bool rsa = false) {
    const auto tpm = TpmContext::open(machine.tcti());
    const auto identity = read_tpm_identity(**tpm);
    cr_assert(identity.has_value(), "%s", identity.has_value() ? "" : identity.error().message().c_str());
    endorsement_area = identity->endorsement_key;
    storage_area = identity->storage_key;
    if (rsa) {
      const auto key = (*tpm)->create_primary(ESYS_TR_RH_ENDORSEMENT, endorsement_template_rsa(), "EK");
      endorsement_area = *public_area_of(**tpm, key->get());
      // Nothing makes an RSA storage key on a TPM with the curve; the credentials show RSA.
    }
    attestation = *protocol::tpm_name(identity->attestation_key);
    wrap();
  }
  void wrap() {
    test::SeededRandom random;
    const auto endorsement_key = protocol::parse_endorsement_key(endorsement_area);
    const auto storage_key = protocol::parse_storage_key(storage_area);
    cr_assert(endorsement_key.has_value() && storage_key.has_value());
    endorsement = endorsement_key->name;
    storage = storage_key->name;
    duplicate = *protocol::make_duplicate(*storage_key, secret_of(1), random);
    storage_credential = *protocol::make_credential(*endorsement_key, storage, secret_of(2), random);
    attestation_credential = *protocol::make_credential(*endorsement_key, attestation, secret_of(3), random);
  }
  [[nodiscard]] TpmImport view() const {
    return {endorsement,         storage,        attestation,        duplicate.object,
            duplicate.duplicate, duplicate.seed, storage_credential, attestation_credential};
  }
  [[nodiscard]] Result<TpmImported> open_in(const SwTpm& machine) const {
    const auto tpm = TpmContext::open(machine.tcti());
    cr_assert(tpm.has_value());
    return import_from(**tpm, view());
  }
};

void expect_secrets(const Result<TpmImported>& imported) {
  cr_assert(imported.has_value(), "%s", imported.has_value() ? "" : imported.error().message().c_str());
  cr_assert(imported->secret == secret_of(1));
  cr_assert(imported->of_storage_key == secret_of(2));
  cr_assert(imported->of_attestation_key == secret_of(3));
}

std::string save(const std::string& path, std::span<const std::uint8_t> bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return path;
}

Bytes load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> chars{std::istreambuf_iterator<char>(in), {}};
  return {chars.begin(), chars.end()};
}

/// tpm2-tools against one TPM; a TPM without a resource manager is emptied after each call.
struct Tools {
  std::string tcti;
  explicit Tools(const SwTpm& machine) : tcti(machine.tcti()) {
    if (!akm::test::have_program("tpm2_import")) cr_skip("tpm2-tools is not installed");
  }
  void operator()(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin() + 1, {"-T", tcti});
    const auto done = akm::test::run_program(arguments);
    cr_assert_eq(done.exit_code, 0, "%s: %s", arguments[0].c_str(), done.output.c_str());
    (void)akm::test::run_program({"tpm2_flushcontext", "-T", tcti, "-t"});
  }
};

// tpm2-tools puts a magic number and a version before a credential.
const Bytes kToolsHead{0xBA, 0xDC, 0xC0, 0xDE, 0, 0, 0, 1};

}  // namespace

Test(tpm_import, its_tpm_gives_all_three_secrets_and_again) {
  const auto machine = software_tpm();
  const Wrapped wrapped(*machine);
  expect_secrets(wrapped.open_in(*machine));
  machine->restart();
  for (int i = 0; i < 4; ++i) expect_secrets(wrapped.open_in(*machine));  // nothing stays in it
}

Test(tpm_import, an_rsa_endorsement_key_does_too) {
  const auto machine = software_tpm();
  expect_secrets(Wrapped(*machine, true).open_in(*machine));
}

Test(tpm_import, another_tpm_or_a_cleared_one_gives_none) {
  const auto machine = software_tpm();
  const auto other = software_tpm();
  const Wrapped wrapped(*machine);
  cr_assert_eq(wrapped.open_in(*other).error().code, Errc::hardware_mismatch);
  const auto tpm = TpmContext::open(machine->tcti());
  cr_assert_eq(Esys_Clear((*tpm)->esys(), ESYS_TR_RH_LOCKOUT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE),
               TSS2_RC_SUCCESS);
  cr_assert_eq(import_from(**tpm, wrapped.view()).error().code, Errc::hardware_mismatch);
}

Test(tpm_import, names_of_another_tpm_do_not_make_it_open) {
  const auto machine = software_tpm();
  const auto other = software_tpm();
  Wrapped wrapped(*machine);
  const Wrapped own(*other);
  wrapped.endorsement = own.endorsement;
  wrapped.storage = own.storage;
  wrapped.attestation = own.attestation;
  const auto imported = wrapped.open_in(*other);
  cr_assert_not(imported.has_value());
  cr_assert_eq(imported.error().code, Errc::not_authentic, "%s", imported.error().message().c_str());
}

Test(tpm_import, a_credential_of_another_key_is_not_authentic) {
  const auto machine = software_tpm();
  Wrapped wrapped(*machine);
  std::swap(wrapped.storage_credential, wrapped.attestation_credential);
  cr_assert_eq(wrapped.open_in(*machine).error().code, Errc::not_authentic);
}

Test(tpm_import, changed_bytes_are_refused) {
  const auto machine = software_tpm();
  Wrapped good(*machine);
  const std::vector<std::function<Bytes&(Wrapped&)>> parts = {
      [](Wrapped& w) -> Bytes& { return w.duplicate.object; },
      [](Wrapped& w) -> Bytes& { return w.duplicate.duplicate; },
      [](Wrapped& w) -> Bytes& { return w.duplicate.seed; },
      [](Wrapped& w) -> Bytes& { return w.storage_credential; },
      [](Wrapped& w) -> Bytes& { return w.attestation_credential; }};
  for (std::size_t part = 0; part < parts.size(); ++part) {
    for (const std::size_t at : {std::size_t{8}, parts[part](good).size() - 1}) {
      Wrapped changed = good;
      parts[part](changed)[at] ^= 1;
      const auto imported = changed.open_in(*machine);
      cr_assert_not(imported.has_value(), "part %zu, byte %zu", part, at);
      const Errc code = imported.error().code;
      cr_assert(code == Errc::not_authentic || code == Errc::malformed, "part %zu, byte %zu: %s", part, at,
                imported.error().message().c_str());
    }
    Wrapped cut = good;
    parts[part](cut).pop_back();
    cr_assert_eq(cut.open_in(*machine).error().code, Errc::malformed, "part %zu", part);
  }
}

Test(tpm_import, a_tpm_that_fails_at_any_command_gives_nothing) {
  const auto machine = software_tpm();
  const Wrapped wrapped(*machine);
  int commands = 0;
  const auto counted = akm::test::faulty_opener(machine->tcti(), [&](TPM2_CC) -> std::optional<TpmFault> {
    ++commands;
    return std::nullopt;
  })();
  expect_secrets(import_from(**counted, wrapped.view()));
  cr_assert_geq(commands, 15);
  for (int failing = 2; failing <= commands; ++failing) {  // the first is the connection's own
    for (const bool answers : {true, false}) {
      const auto kind = answers            ? TpmFault::Kind::respond
                        : failing % 2 == 0 ? TpmFault::Kind::cut_short
                                           : TpmFault::Kind::flip_last_bit;
      int at = 0;
      TPM2_CC failed = 0;
      {
        const auto tpm =
            akm::test::faulty_opener(machine->tcti(), [&](TPM2_CC code) -> std::optional<TpmFault> {
              if (++at != failing) return std::nullopt;
              failed = code;
              return TpmFault{kind, TPM2_RC_FAILURE};
            })();
        const auto imported = import_from(**tpm, wrapped.view());
        // A response outside of a session has bits of no use; what comes out is right, or nothing.
        if (imported) expect_secrets(imported);
        const bool needed = failed != TPM2_CC_FlushContext && failed != TPM2_CC_GetRandom;
        if (answers && needed) cr_assert_not(imported.has_value(), "command %d (%x)", failing, failed);
      }
      machine->restart();  // a connection that broke off has left its objects in it
    }
  }
}

Test(tpm_import, tpm2_tools_open_our_credential_and_our_duplicate) {
  const auto machine = software_tpm();
  const Tools tools(*machine);
  const std::string at = machine->folder() + "/";
  tools({"tpm2_createek", "-G", "ecc", "-c", at + "ek.ctx"});
  tools({"tpm2_readpublic", "-c", at + "ek.ctx", "-f", "tss", "-o", at + "ek.pub"});
  tools({"tpm2_createprimary", "-C", "o", "-G", "ecc", "-c", at + "srk.ctx"});
  tools({"tpm2_readpublic", "-c", at + "srk.ctx", "-f", "tss", "-o", at + "srk.pub"});
  const Bytes endorsement_area = load(at + "ek.pub");
  const Bytes storage_area = load(at + "srk.pub");
  const auto endorsement = protocol::parse_endorsement_key(endorsement_area);
  const auto storage = protocol::parse_storage_key(storage_area);
  cr_assert(endorsement.has_value() && storage.has_value());
  test::SeededRandom random;

  Bytes credential = kToolsHead;
  const auto made = *protocol::make_credential(*endorsement, storage->name, secret_of(7), random);
  credential.insert(credential.end(), made.begin(), made.end());
  save(at + "credential", credential);
  tools({"tpm2_startauthsession", "--policy-session", "-S", at + "session"});
  tools({"tpm2_policysecret", "-S", at + "session", "-c", "e"});
  tools({"tpm2_activatecredential", "-c", at + "srk.ctx", "-C", at + "ek.ctx", "-i", at + "credential", "-o",
         at + "secret", "-P", "session:" + at + "session"});
  cr_assert(load(at + "secret") == Bytes(32, 7));

  const auto duplicate = *protocol::make_duplicate(*storage, secret_of(9), random);
  save(at + "object.pub", duplicate.object);
  save(at + "duplicate", duplicate.duplicate);
  save(at + "seed", duplicate.seed);
  tools({"tpm2_import", "-C", at + "srk.ctx", "-u", at + "object.pub", "-i", at + "duplicate", "-s",
         at + "seed", "-r", at + "object.priv"});
  tools({"tpm2_load", "-C", at + "srk.ctx", "-u", at + "object.pub", "-r", at + "object.priv", "-c",
         at + "object.ctx"});
  tools({"tpm2_unseal", "-c", at + "object.ctx", "-o", at + "unsealed"});
  cr_assert(load(at + "unsealed") == Bytes(32, 9));
}

Test(tpm_import, a_credential_of_tpm2_tools_opens_here) {
  const auto machine = software_tpm();
  const Tools tools(*machine);
  Wrapped wrapped(*machine);
  const std::string at = machine->folder() + "/";
  save(at + "ek.pub", wrapped.endorsement_area);
  save(at + "plain", Bytes(32, 2));
  std::string name;
  for (const std::uint8_t byte : wrapped.storage) {
    constexpr const char* kDigits = "0123456789abcdef";
    name += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  tools({"tpm2_makecredential", "-u", at + "ek.pub", "-s", at + "plain", "-n", name, "-o", at + "made"});
  const Bytes made = load(at + "made");
  cr_assert(std::ranges::equal(std::span(made).first(kToolsHead.size()), kToolsHead));
  wrapped.storage_credential.assign(made.begin() + static_cast<std::ptrdiff_t>(kToolsHead.size()),
                                    made.end());
  expect_secrets(wrapped.open_in(*machine));
}
