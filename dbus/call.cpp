#include "dbus/call.h"

#include <systemd/sd-bus.h>

#include "daemon/base/log_setting.h"
#include "dbus/authorizer.h"
#include "dbus/limits.h"

namespace akm::dbus {
namespace {

/// Who calls what, for whoever asks for it by the level.
void note_call(sd_bus_message* message, const Result<Caller>& caller) {
  if (!log::wants(log::Level::debug)) return;
  const std::string interface = sd_bus_message_get_interface(message);
  const std::string who = caller ? "uid " + std::to_string(caller->uid) : caller.error().message();
  log::write(log::Level::debug, {}, caller ? "A method is called" : "A caller is refused",
             {{"AKM_METHOD", interface + "." + sd_bus_message_get_member(message)}, {"AKM_CALLER", who}});
}

}  // namespace

Call::Call(sd_bus_message* message) : message_(sd_bus_message_ref(message)) {}

Call::~Call() {
  if (message_ != nullptr) fail(Error{Errc::internal, "the call ended without a result"});
}

void Call::reply() {
  reply([](Writer&) {});
}

void Call::reply(const std::function<void(Writer&)>& fill) {
  if (message_ == nullptr) return;
  sd_bus_message* answer = nullptr;
  int r = sd_bus_message_new_method_return(message_, &answer);
  if (r >= 0) {
    Writer out(answer);
    fill(out);
    r = out.status();
  }
  // The caller may have gone and the bus with it: nobody is left to be told of a failure to send.
  if (r >= 0) {
    (void)sd_bus_send(nullptr, answer, nullptr);
    message_ = sd_bus_message_unref(message_);
  } else {
    fail(Error{Errc::internal, "the answer cannot be put on the bus"});
  }
  sd_bus_message_unref(answer);
}

void Call::fail(const Error& error) {
  if (message_ == nullptr) return;
  const std::string name = errc_dbus_name(error.code);
  const std::string text = clean_text(error.message(), limits::kTextBytes);
  const sd_bus_error answer = SD_BUS_ERROR_MAKE_CONST(name.c_str(), text.c_str());
  (void)sd_bus_reply_method_error(message_, &answer);  // see reply()
  message_ = sd_bus_message_unref(message_);
}

Done Call::done(Call call) {
  return [call = std::move(call)](Status status) mutable {
    if (status) {
      call.reply();
    } else {
      call.fail(status.error());
    }
  };
}

int dispatch(Authorizer& authorizer, sd_bus_message* message, Result<Action> parsed, bool root_only) {
  Call call(message);
  if (!parsed) {
    call.fail(parsed.error());
    return 1;
  }
  auto decided = [call = std::move(call), action = std::move(*parsed)](const Result<Caller>& caller) mutable {
    note_call(call.message(), caller);
    if (!caller) return call.fail(caller.error());
    call.authorised(caller->uid);
    action(std::move(call));
  };
  authorizer.authorize(message, std::move(decided), root_only);
  return 1;
}

int dispatch_caller(Authorizer& authorizer, sd_bus_message* message, Result<CallerAction> parsed) {
  Call call(message);
  if (!parsed) {
    call.fail(parsed.error());
    return 1;
  }
  authorizer.identify(message,
                      [call = std::move(call), action = std::move(*parsed)](Result<Caller> caller) mutable {
                        note_call(call.message(), caller);
                        if (caller) {
                          action(std::move(call), std::move(*caller));
                        } else {
                          call.fail(caller.error());
                        }
                      });
  return 1;
}

}  // namespace akm::dbus
