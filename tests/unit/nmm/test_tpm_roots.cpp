#include "daemon/nmm/tpm_roots.h"

#include <criterion/criterion.h>

#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::nmm;

Test(tpm_roots, pem_files_are_read_by_name_and_others_are_not) {
  const akm::test::TemporaryFolder folder;
  cr_assert(read_tpm_roots(folder.file("none"))->certificates.empty());
  (void)folder.write("roots/b.pem", "B");
  (void)folder.write("roots/a.pem", "A");
  (void)folder.write("roots/a.crl", "R");
  (void)folder.write("roots/readme.txt", "no");
  const auto read = read_tpm_roots(folder.file("roots"));
  cr_assert(read.has_value());
  cr_assert_eq(read->certificates.size(), 2);
  cr_assert_eq(read->certificates[0].at(0), 'A');
  cr_assert_eq(read->revocations.at(0).at(0), 'R');
}

Test(tpm_roots, everything_has_a_maximum) {
  const akm::test::TemporaryFolder folder;
  (void)folder.write("large/a.pem", std::string(kTpmRootFileBytes + 1, 'x'));
  cr_assert_eq(read_tpm_roots(folder.file("large")).error().code, Errc::too_large);
  for (std::size_t i = 0; i <= kTpmRootFiles; ++i)
    (void)folder.write("many/" + std::to_string(i) + ".pem", "x");
  cr_assert_eq(read_tpm_roots(folder.file("many")).error().code, Errc::limit_exceeded);
  (void)folder.write("file", "x");
  cr_assert_eq(read_tpm_roots(folder.file("file")).error().code, Errc::storage_failed);
}
