#pragma once
// Fields as they stand in the database: a JSON object of strings, so that people and SQL can read it.
#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/store/config_record.h"

namespace akm::store {

/// One text for the same fields always: names in order, no white space. `fields` has passed check_fields().
std::string fields_to_text(const Fields& fields);
/// state_corrupt for anything but an object of strings within the bounds of check_fields().
Result<Fields> fields_from_text(std::string_view text);

}  // namespace akm::store
