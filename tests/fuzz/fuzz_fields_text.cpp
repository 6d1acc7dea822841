// Covers store::fields_from_text (a record as it stands in the Root's database) and store::fields_to_text.
#include "daemon/store/fields_text.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using akm::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto fields = store::fields_from_text(text);
  if (!fields) {
    require(fields.error().code == Errc::state_corrupt, "what is no record is said to be damaged");
    return 0;
  }
  require(store::check_fields(*fields).has_value(), "a record that was read may be stored");
  const auto again = store::fields_from_text(store::fields_to_text(*fields));
  require(again && *again == *fields, "a record is written as what it is");
  return 0;
}
