#include "daemon/store/config_record.h"

#include <algorithm>

#include "daemon/base/clean_text.h"

namespace akm::store {
namespace {

bool is_field_name(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kFieldNameBytes && std::ranges::all_of(name, good);
}

}  // namespace

Status check_word(std::string_view what, std::string_view name) {
  if (is_field_name(name)) return {};
  return fail(Errc::invalid_argument, std::string(what) + ": 1 to 64 of a-z, 0-9, '.', '_' and '-'");
}

Status check_fields(const Fields& fields) {
  if (fields.size() > kFieldsMax) return fail(Errc::limit_exceeded, "a record has at most 64 fields");
  std::size_t bytes = 0;
  for (const auto& [name, value] : fields) {
    AKM_TRY(check_word("name of a field", name));
    if (value.size() > kFieldValueBytes) return fail(Errc::too_large, "field " + name);
    if (!is_clean_text(value)) {
      return fail(Errc::invalid_argument, "field " + name + " is not UTF-8 without control characters");
    }
    bytes += name.size() + value.size();
  }
  if (bytes > kFieldsBytes) return fail(Errc::too_large, "the fields of a record together");
  return {};
}

}  // namespace akm::store
