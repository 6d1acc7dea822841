// D16 and D17: programs that are started, under whatever name. D18: code that is made of memory.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <algorithm>

#include "tests/bpf/rows.h"

using namespace akm::bpf;
using namespace akm::bpf::test;

namespace {

/// In a further process, so that the child can say how it went.
int run(const char* path, bool by_descriptor = false) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    char* const arguments[] = {const_cast<char*>(path), const_cast<char*>("--version"), nullptr};
    char* const environment[] = {nullptr};
    if (by_descriptor) {
      (void)::fexecve(std::atoi(path), arguments, environment);
    } else {
      (void)::execve(path, arguments, environment);
    }
    ::_exit(127);
  }
  int status = 0;
  (void)::waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? 1 : 0;
}

bool copy(const char* from, int to) {
  const int source = ::open(from, O_RDONLY | O_CLOEXEC);
  struct stat status{};
  if (source < 0 || ::fstat(source, &status) != 0) return false;
  return ::sendfile(to, source, nullptr, static_cast<std::size_t>(status.st_size)) == status.st_size;
}

void debuggers(ProbeSet& probes, const std::string& folder) {
  Row row(probes, "D16", Watch::debugger);
  const char* tool = ::access("/usr/bin/gdb", X_OK) == 0 ? "/usr/bin/gdb" : "/usr/bin/strace";
  if (::access(tool, X_OK) != 0) {
    std::printf("# neither gdb nor strace is here: not tested\n");
  } else {
    row.test(Kind::attack, "starts " + std::string(tool), [&] { return run(tool); });
    row.test(Kind::around, "by a link of another name", [&] {
      const std::string name = folder + "/innocent";
      if (::symlink(tool, name.c_str()) != 0) return 1;
      return run(name.c_str());
    });
  }
  row.test(Kind::benign, "starts /bin/true", [] { return run("/bin/true"); });
  row.test(Kind::benign, "starts a program that is only called gdb", [&] {
    const std::string name = folder + "/gdb";
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    if (fd < 0 || !copy("/bin/true", fd) || ::close(fd) != 0) return 1;
    return run(name.c_str());
  });
}

void fileless(ProbeSet& probes, const std::string& folder) {
  Row row(probes, "D17", Watch::fileless);
  const auto by_memfd = [](unsigned flags) {
    const int fd = ::memfd_create("akm-nofile", flags);
    if (fd < 0 || !copy("/bin/true", fd)) return kNotHere;
    return run(std::to_string(fd).c_str(), true);
  };
  row.test(Kind::attack, "executes a memfd", [&] { return by_memfd(0); });
  row.test(Kind::around, "executes a file that was removed", [&] {
    const std::string name = folder + "/gone";
    int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    if (fd < 0 || !copy("/bin/true", fd) || ::close(fd) != 0) return 1;
    fd = ::open(name.c_str(), O_RDONLY);
    if (fd < 0 || ::unlink(name.c_str()) != 0) return 1;
    return run(std::to_string(fd).c_str(), true);
  });
  row.test(Kind::benign, "executes a file", [] { return run("/bin/true"); });
}

/// In this process, which is the daemon here: what an intruder has it do who has got into it. What is left is
/// what the kernel asks a security module.
void own_code(ProbeSet& probes, const char* what, Kind kind, bool (*act)(void* page)) {
  const Row row(probes, "D18", Watch::foreign_code);
  const bool watched = row.tier() == "lsm" || row.tier() == "fentry";
  void* const page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  (void)drain_all(probes);
  const bool done = page != MAP_FAILED && act(page);
  const std::vector<ProbeRecord> records = drain_all(probes);
  const bool found = std::ranges::any_of(records, [](const ProbeRecord& record) {
    return record.watch == Watch::foreign_code && record.tgid == static_cast<std::uint32_t>(::getpid());
  });
  const bool hostile = kind != Kind::benign;
  std::printf("@row D18 %s %s %s %s\n", row.tier().c_str(), kind_name(kind),
              found ? (hostile ? "detected" : "alarm") : (hostile ? "missed" : "silent"), what);
  expect(done && found == (hostile && watched), std::string("D18: ") + what);
}

void code_of_ours(ProbeSet& probes) {
  own_code(probes, "our memory made executable (mprotect)", Kind::attack,
           [](void* page) { return ::mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0; });
  own_code(probes, "executable memory of ours made (mmap)", Kind::around, [](void* page) {
    return ::mmap(page, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page;
  });
  own_code(probes, "our memory made executable: no, only read-only", Kind::benign,
           [](void* page) { return ::mprotect(page, 4096, PROT_READ) == 0; });
}

}  // namespace

int main() {
  const Folder base;
  const auto probes = open_or_skip({});
  debuggers(*probes, base.path());
  fileless(*probes, base.path());
  code_of_ours(*probes);
  return finish();
}
