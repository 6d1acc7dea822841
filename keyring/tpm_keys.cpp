#include "keyring/tpm_keys.h"

#include <algorithm>
#include <array>

#include "keyring/tpm_marshal.h"
#include "keyring/tpm_templates.h"

namespace akm::keyring {
namespace {

using Template = TPM2B_PUBLIC (*)();

constexpr TPM2_HANDLE kPersistentRsa = 0x81010001;
constexpr TPM2_HANDLE kPersistentEcc = 0x81010002;

Result<bool> has_name(TpmContext& tpm, ESYS_TR object, std::span<const std::uint8_t> wanted) {
  if (wanted.empty()) return true;
  TPM2B_NAME* raw = nullptr;
  const TSS2_RC response = Esys_TR_GetName(tpm.esys(), object, &raw);
  if (response != TSS2_RC_SUCCESS) return tpm_error("Esys_TR_GetName", response);
  const EsysPtr<TPM2B_NAME> name(raw);
  return std::ranges::equal(std::span<const std::uint8_t>(name->name, name->size), wanted);
}

std::unexpected<Error> other_tpm(std::string_view what) {
  return fail(Errc::hardware_mismatch,
              "no " + std::string(what) +
                  " of this TPM has the name: the bundle is for another TPM, or this "
                  "one was cleared");
}

/// The first that can be made and has the name. What the last one says is reported.
Result<TpmHandle> primary(TpmContext& tpm, ESYS_TR hierarchy, std::span<const Template> templates,
                          std::span<const std::uint8_t> name, std::string_view what) {
  Error last;
  bool made_one = false;
  for (const Template make_template : templates) {
    auto made = tpm.create_primary(hierarchy, make_template(), what);
    if (!made) {
      last = made.error();
      continue;
    }
    made_one = true;
    AKM_ASSIGN(const bool wanted, has_name(tpm, made->get(), name));
    if (wanted) return made;
  }
  if (made_one) return other_tpm(what);
  return std::unexpected(std::move(last));
}

}  // namespace

Result<TpmHandle> primary_storage_key(TpmContext& tpm, std::span<const std::uint8_t> name) {
  return primary(tpm, ESYS_TR_RH_OWNER, std::array<Template, 2>{&storage_template_ecc, &storage_template_rsa},
                 name, "storage root key");
}

Result<TpmHandle> primary_attestation_key(TpmContext& tpm, std::span<const std::uint8_t> name) {
  return primary(tpm, ESYS_TR_RH_OWNER, std::array<Template, 1>{&attestation_template}, name,
                 "attestation key");
}

Result<TpmHandle> endorsement_key_named(TpmContext& tpm, std::span<const std::uint8_t> name) {
  constexpr std::string_view kWhat = "endorsement key";
  auto made =
      primary(tpm, ESYS_TR_RH_ENDORSEMENT,
              std::array<Template, 2>{&endorsement_template_ecc, &endorsement_template_rsa}, name, kWhat);
  if (made) return made;
  for (const TPM2_HANDLE handle : {kPersistentEcc, kPersistentRsa}) {
    auto found = tpm.find(handle, kWhat);
    if (!found) continue;
    AKM_ASSIGN(const bool wanted, has_name(tpm, found->get(), name));
    if (wanted) return found;
  }
  return made;
}

Result<std::vector<std::uint8_t>> public_area_of(TpmContext& tpm, ESYS_TR key) {
  TPM2B_PUBLIC* raw = nullptr;
  AKM_TRY(tpm.run("Esys_ReadPublic", [&] {
    return Esys_ReadPublic(tpm.esys(), key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &raw, nullptr, nullptr);
  }));
  const EsysPtr<TPM2B_PUBLIC> area(raw);
  return marshalled<TPM2B_PUBLIC>(Tss2_MU_TPM2B_PUBLIC_Marshal, *area);
}

}  // namespace akm::keyring
