// D10: what others do in the state and configuration folders is seen, by whatever way; what we do is not
// told.
#include <fcntl.h>
#include <liburing.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <fstream>

#include "tests/bpf/harness.h"

using namespace akm::bpf;
using namespace akm::bpf::test;

namespace {

void write_file(const std::string& path, const char* text) {
  std::ofstream(path) << text;
}

int write_by(int fd) {
  if (fd < 0) return 1;
  const bool ok = ::write(fd, "x", 1) == 1;
  return ::close(fd) == 0 && ok ? 0 : 1;
}

/// Which programs see an opened file is up to the kernel.
bool is_source(const ProbeRecord& record, const std::string& source) {
  return source == "tracepoint" ? record.source != "fanotify" : record.source == source;
}

/// Some record of this source must say that the watch was touched with success.
void seen(ProbeSet& probes, const char* what, const char* source, const std::function<int()>& act,
          Watch watch = Watch::state) {
  pid_t child = 0;
  const int code = in_child(act, &child);
  const auto records = drain(probes);
  bool found = false;
  for (const ProbeRecord& record : records) {
    found = found ||
            (record.watch == watch && is_source(record, source) && record.outcome == Outcome::succeeded &&
             (record.source != "fanotify" || record.tgid == static_cast<std::uint32_t>(child)));
  }
  expect(code == 0 && found, std::string(what) + " seen by " + source);
  if (code != 0 || !found) {
    std::printf("# child said %d\n", code);
    print(records);
  }
}

int write_by_io_uring(const std::string& path) {
  io_uring ring{};
  if (::io_uring_queue_init(4, &ring, 0) != 0) return 77;
  io_uring_sqe* sqe = ::io_uring_get_sqe(&ring);
  ::io_uring_prep_openat(sqe, AT_FDCWD, path.c_str(), O_WRONLY, 0);
  (void)::io_uring_submit(&ring);
  io_uring_cqe* cqe = nullptr;
  (void)::io_uring_wait_cqe(&ring, &cqe);
  return write_by(cqe->res);
}

void writes(ProbeSet& probes, const std::string& state, const std::string& outside) {
  const std::string file = state + "/record";
  for (const char* source : {"tracepoint", "fanotify"}) {
    seen(probes, "absolute path", source, [&] { return write_by(::open(file.c_str(), O_WRONLY)); });
    seen(probes, "relative path", source, [&] {
      if (::chdir(state.c_str()) != 0) return 2;
      return write_by(::open("record", O_WRONLY));
    });
    seen(probes, "folder descriptor", source,
         [&] { return write_by(::openat(::open(state.c_str(), O_PATH), "record", O_WRONLY | O_APPEND)); });
    seen(probes, "symbolic link", source, [&] {
      const std::string link = outside + "/soft";
      (void)::unlink(link.c_str());
      if (::symlink(file.c_str(), link.c_str()) != 0) return 2;
      return write_by(::open(link.c_str(), O_WRONLY));
    });
    seen(probes, "folder below", source,
         [&] { return write_by(::open((state + "/below/deep").c_str(), O_WRONLY)); });
  }
  // The name of another folder, the same object: only the mark on the file itself sees it.
  const std::string hard = outside + "/hard";
  expect(::link(file.c_str(), hard.c_str()) == 0, "a hard link, made by us");
  (void)drain(probes);
  seen(probes, "hard link", "fanotify", [&] { return write_by(::open(hard.c_str(), O_WRONLY)); });
  const int code = in_child([&] { return write_by_io_uring(file); });
  const auto records = drain(probes);
  if (code == 77) {
    std::printf("# io_uring is forbidden here: not tested\n");
    return;
  }
  expect(find(records, Watch::state, "io-uring-open") != nullptr, "io_uring open seen by its tracepoint");
  const ProbeRecord* modify = find(records, Watch::state, "modify");
  expect(modify != nullptr && modify->source == "fanotify", "what io_uring wrote seen by fanotify");
}

void other_changes(ProbeSet& probes, const std::string& state, const std::string& outside) {
  const std::string file = state + "/record";
  for (const char* source : {"tracepoint", "fanotify"}) {
    seen(probes, "chmod", source, [&] { return ::chmod(file.c_str(), 0600) == 0 ? 0 : 1; });
    seen(probes, "chown", source, [&] { return ::chown(file.c_str(), 0, 0) == 0 ? 0 : 1; });
    seen(probes, "truncate", source, [&] { return ::truncate(file.c_str(), 1) == 0 ? 0 : 1; });
    seen(probes, "rename within", source, [&] {
      if (::rename(file.c_str(), (state + "/other").c_str()) != 0) return 1;
      return ::rename((state + "/other").c_str(), file.c_str()) == 0 ? 0 : 1;
    });
    seen(probes, "link out", source, [&] {
      const std::string name = outside + "/out-" + source;
      return ::link(file.c_str(), name.c_str()) == 0 ? 0 : 1;
    });
    seen(probes, "new folder", source,
         [&] { return ::mkdir((state + "/new-" + source).c_str(), 0700) == 0 ? 0 : 1; });
    seen(probes, "unlink", source, [&] {
      const std::string name = state + "/victim-" + source;
      return ::unlink(name.c_str()) == 0 ? 0 : 1;
    });
  }
  seen(probes, "file moved in", "fanotify", [&] {
    if (::rename((outside + "/soft").c_str(), (state + "/in").c_str()) != 0) return 1;
    return 0;
  });
}

void configuration(ProbeSet& probes, const std::string& config) {
  seen(
      probes, "configuration", "tracepoint",
      [&] { return write_by(::open((config + "/akmd.toml").c_str(), O_WRONLY)); }, Watch::config);
  seen(
      probes, "configuration", "fanotify",
      [&] { return write_by(::open((config + "/akmd.toml").c_str(), O_WRONLY)); }, Watch::config);
}

void noise(ProbeSet& probes, const std::string& state, const std::string& outside) {
  write_file(state + "/record.new", "ours");
  expect(::rename((state + "/record.new").c_str(), (state + "/record").c_str()) == 0, "we replace a record");
  expect(::chmod((state + "/record").c_str(), 0600) == 0, "and change its mode");
  expect(drain(probes).empty(), "our own changes give no record");
  (void)in_child([&] {
    char c = 0;
    const int fd = ::open((state + "/record").c_str(), O_RDONLY);
    return ::read(fd, &c, 1) == 1 ? 0 : 1;
  });
  expect(drain(probes).empty(), "reading gives no record");
  (void)in_child([&] { return write_by(::open((outside + "/free").c_str(), O_WRONLY | O_CREAT, 0600)); });
  (void)in_child([&] { return ::mkdir((state + "-not").c_str(), 0700); });
  (void)in_child([&] { return ::rmdir((state + "-not").c_str()); });
  expect(drain(probes).empty(), "other folders, one with our name as its beginning too, give no record");
  // A file that we replaced is watched again by its own mark.
  expect(::link((state + "/record").c_str(), (outside + "/later").c_str()) == 0, "a link to the new record");
  (void)drain(probes);
  seen(probes, "hard link to a replaced record", "fanotify",
       [&] { return write_by(::open((outside + "/later").c_str(), O_WRONLY)); });
}

void refused(ProbeSet& probes, const std::string& state) {
  (void)in_child([&] {
    if (::setuid(65534) != 0) return 2;
    return ::unlink((state + "/record").c_str());
  });
  const auto records = drain(probes);
  const ProbeRecord* record = find(records, Watch::state, "unlink");
  expect(record != nullptr && record->outcome == Outcome::refused, "a refused unlink is told as refused");
  expect(record != nullptr && record->evidence().contains("errno"), "with the error");
}

void mounted_over(ProbeSet& probes, const std::string& state) {
  const int code = in_child([&] { return ::mount("none", state.c_str(), "tmpfs", 0, nullptr) == 0 ? 0 : 1; });
  if (code != 0) {
    std::printf("# mounting is forbidden here: not tested\n");
    return;
  }
  const auto records = drain(probes);
  expect(find(records, Watch::state, "mount") != nullptr, "a mount over the folder is seen");
  const auto findings = probes.check([](const ProbeRecord&) {});
  expect(findings.size() == 1 && findings[0].kind == SensorFinding::Kind::folder_replaced,
         "the check says that the folder is another one");
  expect(probes.check([](const ProbeRecord&) {}).empty(), "and says it once");
  expect(::umount(state.c_str()) == 0, "unmounted");
}

}  // namespace

int main() {
  const Folder base;
  const std::string state = base.path() + "/state";
  const std::string config = base.path() + "/config";
  const std::string outside = base.path() + "/outside";
  for (const std::string& path : {state, config, outside, state + "/below"})
    (void)::mkdir(path.c_str(), 0755);
  (void)::chmod(base.path().c_str(), 0755);
  for (const char* name : {"/record", "/below/deep", "/victim-tracepoint", "/victim-fanotify"}) {
    write_file(state + name, "a record");
  }
  write_file(config + "/akmd.toml", "# configuration\n");
  ProbeOptions options;
  options.state_folders = {state};
  options.config_folders = {config};
  const auto probes = open_or_skip(options);
  expect(drain(*probes).empty(), "nothing before anything happened");
  writes(*probes, state, outside);
  noise(*probes, state, outside);
  configuration(*probes, config);
  other_changes(*probes, state, outside);
  refused(*probes, state);
  mounted_over(*probes, state);
  return finish();
}
