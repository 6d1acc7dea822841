#pragma once
#include <string_view>

#include "daemon/base/error.h"

namespace akm::store {

/// What an SQLSTATE (ISO 9075; PostgreSQL's appendix A) means to us.
Errc errc_of_sqlstate(std::string_view state);

}  // namespace akm::store
