#include "daemon/store/sql_state.h"

#include <array>

namespace akm::store {
namespace {

struct Meaning {
  std::string_view prefix;
  Errc code;
};

// The first that fits.
constexpr std::array kMeanings{
    Meaning{"40001", Errc::interrupted},     // serialization_failure: tried again
    Meaning{"40P01", Errc::interrupted},     // deadlock_detected: tried again
    Meaning{"08", Errc::unreachable},        // connection exceptions
    Meaning{"57P01", Errc::unreachable},     // admin_shutdown
    Meaning{"57P02", Errc::unreachable},     // crash_shutdown
    Meaning{"57P03", Errc::unreachable},     // cannot_connect_now
    Meaning{"57P05", Errc::unreachable},     // idle_session_timeout
    Meaning{"25P03", Errc::unreachable},     // idle_in_transaction_session_timeout
    Meaning{"53300", Errc::unreachable},     // too_many_connections
    Meaning{"57014", Errc::timed_out},       // query_canceled, by statement_timeout
    Meaning{"55P03", Errc::busy},            // lock_not_available
    Meaning{"53100", Errc::disk_full},       // disk_full
    Meaning{"25006", Errc::read_only},       // read_only_sql_transaction
    Meaning{"28", Errc::not_authorized},     // invalid authorization
    Meaning{"42501", Errc::not_authorized},  // insufficient_privilege
    Meaning{"XX001", Errc::state_corrupt},   // data_corrupted
    Meaning{"XX002", Errc::state_corrupt},   // index_corrupted
};

}  // namespace

Errc errc_of_sqlstate(std::string_view state) {
  for (const Meaning& meaning : kMeanings) {
    if (state.starts_with(meaning.prefix)) return meaning.code;
  }
  return Errc::storage_failed;
}

}  // namespace akm::store
