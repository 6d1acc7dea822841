#include "keyring/storage_root.h"

#include "keyring/tpm_templates.h"
#include "tests/support/faulty_tcti.h"
#include "tests/support/tpm_bench.h"

using namespace akm;
using namespace akm::keyring;
using namespace akm::test;

Test(storage_root, a_pinned_key_is_found_again_whatever_is_persistent_later) {
  const auto tpm = software_tpm();
  PinnedRoot pinned;
  {
    const auto context = context_at(*tpm);
    const auto root = storage_root_key(*context, {});
    cr_assert(root);
    pinned = {root->name, endorsement_name(*context)};
    cr_assert_eq(pinned.name.size(), 34);
    cr_assert_eq(pinned.endorsement.size(), 34);
  }
  make_persistent(*tpm, storage_template_rsa(), kStorageRootKeyHandle);
  const auto context = context_at(*tpm);
  cr_assert(storage_root_key(*context, pinned)->name == pinned.name);
  cr_assert(storage_root_key(*context, {})->name != pinned.name, "unpinned, the owner's comes first");
}

Test(storage_root, a_key_that_cannot_be_a_parent_is_passed_over) {
  const auto tpm = software_tpm();
  make_persistent(*tpm, attestation_template(), kStorageRootKeyHandle);
  const auto context = context_at(*tpm);
  const auto root = storage_root_key(*context, {});
  cr_assert(root, "%s", root ? "" : root.error().detail.c_str());
  cr_assert_eq(root->handle.get() == ESYS_TR_NONE, false);
}

// Who sits between us and the TPM shows another key under the pinned name: salt for it could be read.
Test(storage_root, another_key_under_the_pinned_name_is_found_out) {
  const auto tpm = software_tpm();
  make_persistent(*tpm, storage_template_ecc(), kStorageRootKeyHandle);
  PinnedRoot pinned;
  {
    const auto context = context_at(*tpm);
    pinned.name = storage_root_key(*context, {})->name;
  }
  int changed = 0;
  for (std::size_t octet = 12; octet < 12 + 90; octet += 3) {  // header and size, then the public area
    const auto open = faulty_opener(tpm->tcti(), [&](TPM2_CC code) -> std::optional<TpmFault> {
      if (code != TPM2_CC_ReadPublic) return std::nullopt;
      return TpmFault{.kind = TpmFault::Kind::flip_octet, .octet = octet};
    });
    const auto context = open();
    const auto root = storage_root_key(**context, pinned);
    cr_assert(!root, "octet %zu", octet);
    changed += root.error().detail.contains("does not have the name") ? 1 : 0;
  }
  cr_assert_gt(changed, 10, "%d", changed);
}

Test(storage_root, without_what_tells_tpms_apart_both_causes_are_named) {
  const auto tpm = software_tpm();
  const auto context = context_at(*tpm);
  const auto root = storage_root_key(*context, {std::vector<std::uint8_t>(34, 1), {}});
  cr_assert(!root);
  cr_assert(root.error().code == Errc::not_found);
  cr_assert(root.error().detail.contains("another machine, or the TPM was cleared"));
}
