#include "tools/akmctl/machine.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "daemon/base/endpoint.h"
#include "daemon/base/instant.h"

namespace akm::ctl {
namespace {

constexpr std::size_t kFileBytes = std::size_t{1} << 20;

Errc code_of(int error) {
  if (error == ENOENT || error == ENOTDIR || error == ENODEV || error == ENXIO || error == ECONNREFUSED)
    return Errc::not_found;
  if (error == EBUSY) return Errc::busy;
  return error == EACCES || error == EPERM ? Errc::not_authorized : Errc::io_failed;
}

std::unexpected<Error> fail_at(const std::string& what, int error) {
  return fail(code_of(error), what + ": " + std::generic_category().message(error));
}

struct Pipe {
  UniqueFd read_end, write_end;
  static Result<Pipe> make() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return fail_errno(Errc::io_failed, "pipe");
    return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  }
};

/// Closes the end of a pipe that has no more, or more than the limit: whoever writes to it then ends by that.
void read_some(UniqueFd& end, std::string& text) {
  char buffer[16384];
  const ssize_t got = ::read(end.get(), buffer, std::min(sizeof buffer, Machine::kOutputBytes - text.size()));
  if (got < 0 && errno == EINTR) return;
  if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
  if (got <= 0 || text.size() == Machine::kOutputBytes) end.reset();
}

/// Until the other sides close or the time is over.
void read_both(UniqueFd& output, UniqueFd& errors, Machine::Ran& out, Instant deadline) {
  while (output || errors) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - boottime_now()).count();
    std::array<pollfd, 2> ready{{{.fd = output.get(), .events = POLLIN, .revents = 0},
                                 {.fd = errors.get(), .events = POLLIN, .revents = 0}}};
    const int n = left <= 0 ? 0 : poll(ready.data(), ready.size(), static_cast<int>(left));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    if (ready[0].revents != 0) read_some(output, out.output);
    if (ready[1].revents != 0) read_some(errors, out.errors);
  }
}

/// Its exit code; killed where it has not ended by then.
int wait_for(pid_t pid, Instant deadline) {
  int status = 0;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (boottime_now() > deadline) {
      (void)kill(pid, SIGKILL);
      (void)waitpid(pid, &status, 0);
      return -1;
    }
    (void)poll(nullptr, 0, 5);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Result<Machine::Ran> run_program(const std::vector<std::string>& command, int patience_s) {
  AKM_ASSIGN(Pipe output, Pipe::make());
  AKM_ASSIGN(Pipe errors, Pipe::make());
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  (void)posix_spawn_file_actions_init(&files);
  (void)posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  (void)posix_spawn_file_actions_adddup2(&files, output.write_end.get(), STDOUT_FILENO);
  (void)posix_spawn_file_actions_adddup2(&files, errors.write_end.get(), STDERR_FILENO);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &files, nullptr, argv.data(), environ);
  (void)posix_spawn_file_actions_destroy(&files);
  if (error != 0) return fail_at(command.front(), error);
  output.write_end.reset();
  errors.write_end.reset();
  const Instant deadline = boottime_now() + std::chrono::seconds(patience_s);
  Machine::Ran out;
  read_both(output.read_end, errors.read_end, out, deadline);
  out.exit_code = wait_for(pid, deadline);
  return out;
}

int io_uring_errno() {
  io_uring_params parameters{};
  const UniqueFd ring(static_cast<int>(syscall(SYS_io_uring_setup, 1, &parameters)));
  return ring ? 0 : errno;
}

int secret_memory_errno() {
  const UniqueFd memory(static_cast<int>(syscall(SYS_memfd_secret, 0)));
  return memory ? 0 : errno;
}

int kernel_clock_state() {
  timex state{};
  return adjtimex(&state);
}

Result<int> path_mtu(const std::string& text) {
  AKM_ASSIGN(const Endpoint to, parse_endpoint(text));
  const UniqueFd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(Errc::io_failed, "socket");
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(to.port);
  std::ranges::copy(to.address, std::begin(address.sin6_addr.s6_addr));
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail(Errc::unreachable, std::generic_category().message(errno));
  int mtu = 0;
  socklen_t size = sizeof mtu;
  const bool v4 = to.is_ipv4();
  if (getsockopt(socket.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &size) != 0)
    return fail_errno(Errc::io_failed, "MTU");
  return mtu;
}

Result<UniqueFd> open_device(const std::string& path) {
  UniqueFd device(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!device) return fail_at(path, errno);
  return device;
}

/// swtpm takes a connection for each caller, as the daemons' own way there does.
Result<UniqueFd> open_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(Errc::invalid_argument, path);
  path.copy(address.sun_path, path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(Errc::io_failed, "socket");
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_at(path, errno);
  return socket;
}

Result<UniqueFd> open_tcti(const std::string& root, const std::string& tcti) {
  constexpr std::string_view kDevice = "device:";
  constexpr std::string_view kSocket = "swtpm:path=";
  if (tcti.starts_with(kDevice)) return open_device(root + tcti.substr(kDevice.size()));
  if (tcti.starts_with(kSocket)) return open_socket(root + tcti.substr(kSocket.size()));
  return fail(Errc::not_supported, tcti);
}

}  // namespace

std::string Machine::Ran::complaint() const {
  const std::string& text = errors.empty() ? output : errors;
  return text.substr(0, text.find('\n'));
}

Machine::Machine(std::string root)
    : try_io_uring(io_uring_errno),
      try_secret_memory(secret_memory_errno),
      clock_state(kernel_clock_state),
      open_tpm([root](const std::string& tcti) { return open_tcti(root, tcti); }),
      mtu_to(path_mtu),
      run(run_program),
      root_(std::move(root)) {}

Result<std::string> Machine::read(const std::string& file) const {
  const UniqueFd fd(open(path(file).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail(code_of(errno), file);
  std::string out;
  char buffer[4096];
  while (out.size() < kFileBytes) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0) return fail(code_of(errno), file);
    if (n == 0) break;
    out.append(buffer, static_cast<std::size_t>(n));
  }
  out.erase(out.find_last_not_of(" \n\t") + 1);
  return out;
}

Result<struct stat> Machine::look(const std::string& file) const {
  struct stat info{};
  if (stat(path(file).c_str(), &info) != 0) return fail(code_of(errno), file);
  return info;
}

bool Machine::exists(const std::string& file) const {
  return access(path(file).c_str(), F_OK) == 0;
}

}  // namespace akm::ctl
