#pragma once
// One method call: held until its reply is known, which may be long after the caller has gone.
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "daemon/base/control_types.h"
#include "daemon/base/result.h"
#include "dbus/message.h"

namespace akm::dbus {

class Authorizer;

/// Holds a method call message; replies exactly once. One that is dropped without a reply answers `internal`,
/// so that no caller waits for ever.
class Call {
 public:
  explicit Call(sd_bus_message* message);
  Call(Call&& other) noexcept : message_(std::exchange(other.message_, nullptr)), uid_(other.uid_) {}
  Call& operator=(Call&&) = delete;
  ~Call();

  [[nodiscard]] sd_bus_message* message() const { return message_; }
  void reply();
  /// `fill` appends the out arguments.
  void reply(const std::function<void(Writer&)>& fill);
  void fail(const Error& error);
  /// Who is authorised, for records of who did what: "uid 1000".
  [[nodiscard]] std::string who() const { return "uid " + std::to_string(uid_); }
  void authorised(std::uint32_t uid) { uid_ = uid; }
  /// A Done that answers with nothing or with the error.
  static Done done(Call call);

 private:
  sd_bus_message* message_;
  std::uint32_t uid_ = 0;  // set before any action runs
};

/// What a method does once its arguments are valid and its caller is authorised.
using Action = std::move_only_function<void(Call)>;

/// Authorises the caller of `message` and then runs `parsed`, or answers with its error. For sd-bus:
/// always 1.
/// `root_only`: as of Authorizer::authorize.
int dispatch(Authorizer& authorizer, sd_bus_message* message, Result<Action> parsed, bool root_only = false);

/// The same where the role decides by who calls.
using CallerAction = std::move_only_function<void(Call, Caller)>;
int dispatch_caller(Authorizer& authorizer, sd_bus_message* message, Result<CallerAction> parsed);

}  // namespace akm::dbus
