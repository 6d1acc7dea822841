#pragma once
// Errors are values; nothing here throws.
#include <cerrno>
#include <cstring>
#include <expected>
#include <string>
#include <utility>

#include "daemon/base/error.h"

namespace akm {

template <typename T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

/// An error with a detail, convertible to every Result<T>.
inline std::unexpected<Error> fail(Errc code, std::string detail = {}) {
  return std::unexpected<Error>(Error{code, std::move(detail)});
}

/// An error whose detail is "what: strerror(errno)". ENOSPC, EDQUOT and EROFS get their own codes, since the
/// operator's remedy differs.
std::unexpected<Error> fail_errno(Errc code, std::string what, int error_number = errno);

}  // namespace akm

// Returns the error of `expression` from the enclosing function, or goes on.
#define AKM_TRY(expression)                                                         \
  do {                                                                              \
    auto akm_try_status = (expression);                                             \
    if (!akm_try_status) return std::unexpected(std::move(akm_try_status).error()); \
  } while (false)

#define AKM_CONCAT_INNER(a, b) a##b
#define AKM_CONCAT(a, b) AKM_CONCAT_INNER(a, b)
// Declares `declaration` with the value of `expression`, or returns its error.
#define AKM_ASSIGN(declaration, expression) \
  AKM_ASSIGN_IMPL(declaration, expression, AKM_CONCAT(akm_result_, __LINE__))
#define AKM_ASSIGN_IMPL(declaration, expression, temporary)             \
  auto temporary = (expression);                                        \
  if (!temporary) return std::unexpected(std::move(temporary).error()); \
  declaration = std::move(*temporary)
