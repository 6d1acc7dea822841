#pragma once
// A message that is written and read in this process, for tests of readers and writers.
#include <functional>

#include "dbus/message.h"
#include "tests/support/dbus_fixture.h"

namespace akm::test {

class LocalMessage {
 public:
  explicit LocalMessage(const std::function<void(dbus::Writer&)>& fill)
      : LocalMessage([&](sd_bus_message* message) {
          dbus::Writer out(message);
          fill(out);
          if (out.status() < 0) give_up("filling a message");
        }) {}
  /// With what our own writer would not write.
  explicit LocalMessage(const std::function<void(sd_bus_message*)>& fill) : client_(daemon_.address()) {
    if (sd_bus_message_new_method_call(client_.get(), &message_, "a.b", "/", "a.b", "C") < 0)
      give_up("message");
    fill(message_);
    if (sd_bus_message_seal(message_, 1, 0) < 0 || sd_bus_message_rewind(message_, 1) < 0)
      give_up("sealing a message");
  }
  LocalMessage(const LocalMessage&) = delete;
  LocalMessage& operator=(const LocalMessage&) = delete;
  ~LocalMessage() { sd_bus_message_unref(message_); }
  [[nodiscard]] dbus::Reader reader() const {
    (void)sd_bus_message_rewind(message_, 1);
    return dbus::Reader(message_);
  }

 private:
  PrivateBus daemon_;
  TestClient client_;
  sd_bus_message* message_ = nullptr;
};

}  // namespace akm::test
