// Covers nmm::open_backup up to its scrypt and nmm::BackupContent::decode. The first byte chooses. No secret
// is refused just before scrypt, which would take most of the time that there is; what scrypt and cipher
// protect is covered as content.
#include "daemon/nmm/backup_file.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using akm::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const SecretBuffer none;
  static const SecretBuffer secrets = [] {
    protocol::IssueRequest issue;
    issue.nmm_id = 7;
    issue.secrets.push_back({1, {}});
    return issue.encode();
  }();
  fuzz::Input input(data, size);
  if (input.below(2) == 0) {
    require(!nmm::open_backup(input.rest(), none), "nothing opens without a secret");
    return 0;
  }
  const auto content = nmm::BackupContent::decode(secrets.reveal(), input.rest());
  if (!content) return 0;
  const auto written = content->encode_records();
  const auto again = nmm::BackupContent::decode(secrets.reveal(), written);
  require(again && again->encode_records() == written, "records that were taken are written and taken again");
  return 0;
}
