#pragma once
// A real dbus-daemon on a private socket, and a client that shares the test's thread: server and client are
// pumped in turn, so that every test is deterministic and none of them sleeps.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "dbus/bus.h"

namespace akm::test {

/// The test cannot go on: says why and ends its process (Criterion runs each test in its own).
[[noreturn]] inline void give_up(const char* what) {
  (void)std::fprintf(stderr, "fixture: %s: %s\n", what, strerror(errno));
  std::abort();
}

class BusFolder {
 public:
  BusFolder() {
    std::array<char, 32> pattern{"/tmp/akm-test-XXXXXX"};
    if (mkdtemp(pattern.data()) == nullptr) give_up("mkdtemp");
    path_ = pattern.data();
    (void)chmod(path_.c_str(), 0755);  // other users connect to the socket in it
  }
  BusFolder(const BusFolder&) = delete;
  BusFolder& operator=(const BusFolder&) = delete;
  ~BusFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class PrivateBus {
 public:
  PrivateBus() {
    std::ofstream(folder_.path() + "/bus.conf")
        << "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
           " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
           "<busconfig><type>custom</type><listen>"
        << address() << "</listen><auth>EXTERNAL</auth>"
        << "<policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow "
           "eavesdrop=\"true\"/>"
           "<allow own=\"*\"/><allow user=\"*\"/></policy></busconfig>\n";
    start();
  }
  PrivateBus(const PrivateBus&) = delete;
  PrivateBus& operator=(const PrivateBus&) = delete;
  ~PrivateBus() { stop(); }

  void start() {
    (void)unlink(socket_path().c_str());
    const std::string config = "--config-file=" + folder_.path() + "/bus.conf";
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ == 0) {
      // A test that crashes must not leave it behind, nor may it hold the test's output open.
      (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int null = open("/dev/null", O_RDWR);
      for (const int fd : {0, 1, 2}) (void)dup2(null, fd);
      if (getppid() == parent)
        (void)execlp("dbus-daemon", "dbus-daemon", config.c_str(), "--nofork", "--nopidfile", nullptr);
      _exit(127);
    }
    if (pid_ < 0) give_up("dbus-daemon");
    for (int i = 0; i < 1000 && !accepts(); ++i) (void)usleep(10'000);
    if (!accepts()) give_up("dbus-daemon does not listen");
  }
  void stop() {
    if (pid_ <= 0) return;
    (void)kill(pid_, SIGKILL);
    (void)waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  [[nodiscard]] std::string socket_path() const { return folder_.path() + "/bus"; }
  [[nodiscard]] std::string address() const { return "unix:path=" + socket_path(); }
  [[nodiscard]] const std::string& folder() const { return folder_.path(); }

 private:
  [[nodiscard]] bool accepts() const {
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    (void)socket_path().copy(name.sun_path, sizeof(name.sun_path) - 1);
    return connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0;
  }
  BusFolder folder_;
  pid_t pid_ = 0;
};

/// Something with the loop interface of Bus.
struct Pumped {
  std::function<int()> fd;
  std::function<short()> events;
  std::function<void()> turn;
};

inline Pumped pumped(dbus::Bus& bus) {
  return {[&] { return bus.fd(); }, [&] { return bus.events(); },
          [&] {
            bus.process();
            bus.flush();
          }};
}

/// Runs turns of all of them until `done`, at most ten seconds (only a hang takes that long).
inline bool pump(const std::vector<Pumped>& all, const std::function<bool()>& done) {
  const Instant end = boottime_now() + std::chrono::seconds(10);
  while (boottime_now() < end) {
    for (const Pumped& one : all) one.turn();
    if (done()) return true;
    std::vector<pollfd> fds;
    for (const Pumped& one : all) fds.push_back({one.fd(), one.events(), 0});
    (void)poll(fds.data(), fds.size(), 5);
  }
  return false;
}

/// What came back from a call.
struct Answer {
  sd_bus_message* message = nullptr;  // owned; null on an error
  std::string error;                  // D-Bus error name; empty on success
  std::string text;
  Answer() = default;
  Answer(Answer&& other) noexcept
      : message(std::exchange(other.message, nullptr)),
        error(std::move(other.error)),
        text(std::move(other.text)) {}
  Answer& operator=(Answer&&) = delete;
  ~Answer() { sd_bus_message_unref(message); }
};

class TestClient {
 public:
  explicit TestClient(const std::string& address) {
    if (sd_bus_new(&bus_) < 0 || sd_bus_set_address(bus_, address.c_str()) < 0 ||
        sd_bus_set_bus_client(bus_, 1) < 0 || sd_bus_start(bus_) < 0) {
      give_up("client connection");
    }
  }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;
  ~TestClient() { sd_bus_flush_close_unref(bus_); }

  [[nodiscard]] sd_bus* get() const { return bus_; }
  [[nodiscard]] Pumped pumped() const {
    return {[this] { return sd_bus_get_fd(bus_); },
            [this] { return static_cast<short>(sd_bus_get_events(bus_)); },
            [this] {
              while (sd_bus_process(bus_, nullptr) > 0) {
              }
            }};
  }
  /// `append` fills in the arguments.
  Answer call(const std::vector<Pumped>& servers, const char* name, const char* path, const char* interface,
              const char* member, const std::function<void(sd_bus_message*)>& append = {}) {
    sd_bus_message* message = nullptr;
    if (sd_bus_message_new_method_call(bus_, &message, name, path, interface, member) < 0)
      give_up("new call");
    if (append) append(message);
    std::optional<sd_bus_message*> reply;
    sd_bus_slot* slot = nullptr;
    const auto on_reply = [](sd_bus_message* m, void* to, sd_bus_error*) {
      *static_cast<std::optional<sd_bus_message*>*>(to) = sd_bus_message_ref(m);
      return 1;
    };
    if (sd_bus_call_async(bus_, &slot, message, on_reply, &reply, 9'000'000) < 0) give_up("call");
    std::vector<Pumped> all = servers;
    all.push_back(pumped());
    Answer answer;
    if (!pump(all, [&] { return reply.has_value(); })) {
      answer.error = "no reply";
    } else if (const sd_bus_error* error = sd_bus_message_get_error(*reply)) {
      answer.error = error->name;
      answer.text = error->message == nullptr ? "" : error->message;
      sd_bus_message_unref(*reply);
    } else {
      answer.message = *reply;
    }
    sd_bus_slot_unref(slot);
    sd_bus_message_unref(message);
    return answer;
  }
  Answer call_akm(const std::vector<Pumped>& servers, const char* service, const char* member,
                  const std::function<void(sd_bus_message*)>& append = {}) {
    const std::string name = std::string("org.akm.") + service;
    const std::string path = std::string("/org/akm/") + service;
    return call(servers, name.c_str(), path.c_str(), name.c_str(), member, append);
  }
  /// The value of a property as a message positioned inside the variant.
  Answer get(const std::vector<Pumped>& servers, const char* service_name, const char* path,
             const char* interface, const char* property) {
    return call(servers, service_name, path, "org.freedesktop.DBus.Properties", "Get",
                [&](sd_bus_message* m) { (void)sd_bus_message_append(m, "ss", interface, property); });
  }
  /// Signals that match are recorded (referenced) in `into`.
  void record(const char* match, std::vector<sd_bus_message*>& into, const std::vector<Pumped>& servers) {
    const auto on_signal = [](sd_bus_message* m, void* to, sd_bus_error*) {
      static_cast<std::vector<sd_bus_message*>*>(to)->push_back(sd_bus_message_ref(m));
      return 0;
    };
    bool installed = false;
    if (sd_bus_add_match_async(
            bus_, nullptr, match, on_signal, [](sd_bus_message*, void*, sd_bus_error*) { return 0; }, &into) <
        0) {
      give_up("match");
    }
    // A round trip to the bus: the match stands after it.
    const Answer answer =
        call(servers, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId");
    installed = answer.error.empty();
    if (!installed) give_up("match");
  }

 private:
  sd_bus* bus_ = nullptr;
};

}  // namespace akm::test
