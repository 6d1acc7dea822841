#include "daemon/sentry/our_programs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <string_view>

#include "bpf/loader/file_device.h"

namespace akm::sentry {
namespace {

constexpr const char* kSelf = "/proc/self/exe";
constexpr std::array<std::string_view, 3> kDaemons{"akmd", "akm-nmmd", "akm-rootd"};

}  // namespace

OurPrograms::OurPrograms() {
  add(kSelf, false);
}

OurPrograms::OurPrograms(const std::vector<std::string>& paths) : OurPrograms() {
  for (const std::string& path : paths) add(path, true);
}

std::vector<std::string> OurPrograms::beside_us() {
  std::array<char, PATH_MAX> target{};
  const ssize_t length = ::readlink(kSelf, target.data(), target.size());
  std::vector<std::string> out;
  if (length <= 0) return out;
  std::string folder(target.data(), static_cast<std::size_t>(length));
  folder.resize(folder.rfind('/') + 1);
  for (const std::string_view name : kDaemons) out.push_back(folder + std::string(name));
  return out;
}

void OurPrograms::add(const std::string& path, bool ours_alone) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  const bool owner = status.st_uid == 0 || status.st_uid == ::geteuid();
  if (ours_alone && (!owner || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)) return;
  if (files_.size() <= kOurProgramsMax) files_.emplace(bpf::file_device(path, status), status.st_ino);
}

bool OurPrograms::ran(const bpf::ProbeRecord& record) const {
  return record.executable_inode != 0 && files_.contains({record.executable_device, record.executable_inode});
}

}  // namespace akm::sentry
