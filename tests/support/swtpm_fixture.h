#pragma once
// A software TPM of its own for a test: swtpm on a UNIX socket in a temporary folder, ended by its process
// id.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "tests/support/run_program.h"

namespace akm::test {

/// True when swtpm is installed; a test without it is skipped with this reason.
inline constexpr const char* kNoSwtpm = "swtpm is not installed";
inline bool have_swtpm() {
  return have_program("swtpm");
}

class SwTpm {
 public:
  SwTpm() {
    char name[] = "/tmp/akm-swtpm-XXXXXX";
    const char* made = ::mkdtemp(name);
    if (made == nullptr) std::abort();
    folder_ = made;
    ::setenv("TSS2_LOG", "all+NONE", 0);  // tests that open a TCTI themselves are quiet too
    start();
  }
  SwTpm(const SwTpm&) = delete;
  SwTpm& operator=(const SwTpm&) = delete;
  ~SwTpm() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  [[nodiscard]] std::string tcti() const { return "swtpm:path=" + socket(); }
  [[nodiscard]] const std::string& folder() const { return folder_; }

  /// Power off and on: state stays, transient objects, sessions and resettable PCRs do not.
  void restart() {
    stop();
    start();
  }
  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
    ::unlink(socket().c_str());
    ::unlink((socket() + ".ctrl").c_str());
  }
  void start() {
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that dies leaves no TPM behind
      const int null = ::open("/dev/null", O_RDWR);
      ::dup2(null, STDOUT_FILENO);
      ::dup2(null, STDERR_FILENO);
      const std::string state = "dir=" + folder_;
      const std::string server = "type=unixio,path=" + socket();
      const std::string control = "type=unixio,path=" + socket() + ".ctrl";
      ::execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state.c_str(), "--server", server.c_str(),
               "--ctrl", control.c_str(), "--flags", "not-need-init,startup-clear", nullptr);
      ::_exit(127);
    }
    // Until both sockets are listened on, or the process has ended.
    while (!answers(socket()) || !answers(socket() + ".ctrl")) {
      if (::waitpid(pid_, nullptr, WNOHANG) != 0) std::abort();
      ::usleep(2000);
    }
  }

 private:
  [[nodiscard]] std::string socket() const { return folder_ + "/tpm.sock"; }
  static bool answers(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return connected;
  }

  std::string folder_;
  pid_t pid_ = -1;
};

}  // namespace akm::test
