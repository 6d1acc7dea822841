#pragma once
// A PostgreSQL server of its own for a test: an unprivileged user's, in a temporary folder, on a UNIX socket,
// ended by its process id.
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/run_program.h"

namespace akm::test {

inline constexpr const char* kNoPostgres = "PostgreSQL is not installed";

/// Folder of the newest installed server's programs; empty where there is none.
inline std::string postgres_programs() {
  std::error_code none;
  std::vector<std::string> found;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
    if (std::filesystem::exists(version.path() / "bin/initdb", none))
      found.push_back(version.path() / "bin/");
  }
  std::ranges::sort(found);
  return found.empty() ? std::string() : found.back();
}

class PostgresServer {
 public:
  PostgresServer() : programs_(postgres_programs()), owner_(true) {
    char name[] = "/tmp/akm-postgres-XXXXXX";
    if (::mkdtemp(name) == nullptr) std::abort();
    folder_ = name;
    if (::geteuid() == 0) give_away();
    const pid_t made =
        run({programs_ + "initdb", "-D", data(), "-U", "akm", "-A", "trust", "-N", "--locale=C.UTF-8"});
    int status = 0;
    if (::waitpid(made, &status, 0) != made || status != 0) std::abort();
    start();
  }
  /// One that another process has started, in `folder`: for its statements only.
  explicit PostgresServer(std::string folder) : programs_(postgres_programs()), folder_(std::move(folder)) {}
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer() {
    if (!owner_) return;
    kill();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string conninfo() const { return "host=" + folder_ + " dbname=postgres user=akm"; }
  /// Until it answers. After a kill the kernel may not have ended all of its processes yet, and a server does
  /// not start beside one of them.
  void start() {
    for (int tries = 0; tries < kStartTries; ++tries) {
      pid_ = run({programs_ + "postgres", "-D", data(), "-k", folder_, "-c", "listen_addresses=", "-c",
                  "shared_buffers=4MB", "-c", "fsync=off", "-c", "max_connections=10"});
      while (::waitpid(pid_, nullptr, WNOHANG) == 0) {
        if (run_program({programs_ + "pg_isready", "-q", "-h", folder_}).exit_code == 0) return;
        ::usleep(10'000);
      }
      ::usleep(50'000);
    }
    std::abort();
  }
  /// In order: connections are ended, and what was committed is there again.
  void stop() { end(SIGINT); }
  /// As a crash of the machine's software: all of its processes at once.
  void kill() {
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
    ::unlink((data() + "/postmaster.pid").c_str());
  }
  /// Runs statements as an operator would; the output.
  std::string sql(const std::string& statements) const {
    return run_program({programs_ + "psql", "-h", folder_, "-U", "akm", "-d", "postgres", "-AtX", "-v",
                        "ON_ERROR_STOP=1", "-c", statements})
        .output;
  }

 private:
  static constexpr int kStartTries = 20;
  [[nodiscard]] std::string data() const { return folder_ + "/data"; }
  void end(int signal) {
    ::kill(pid_, signal);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
  // The server refuses to run as root.
  void give_away() {
    const passwd* nobody = ::getpwnam("nobody");
    if (nobody == nullptr) std::abort();
    user_ = nobody->pw_uid;
    group_ = nobody->pw_gid;
    if (::chown(folder_.c_str(), user_, group_) != 0) std::abort();
  }
  pid_t run(const std::vector<std::string>& arguments) {
    std::vector<char*> argv;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::setpgid(0, 0);  // its processes can be ended together
    if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setgid(group_) != 0 || ::setuid(user_) != 0)) {
      ::_exit(126);
    }
    ::prctl(PR_SET_PDEATHSIG,
            SIGKILL);  // a test that dies leaves no server behind; after setuid, which clears it
    if (::chdir("/") != 0) ::_exit(126);
    const int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, STDIN_FILENO);
    ::dup2(null, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  std::string programs_;
  std::string folder_;
  bool owner_ = false;
  uid_t user_ = 0;
  gid_t group_ = 0;
  pid_t pid_ = -1;
};

}  // namespace akm::test
