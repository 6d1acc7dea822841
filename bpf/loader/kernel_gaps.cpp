#include "bpf/loader/kernel_gaps.h"

#include <unistd.h>

#include <fstream>

namespace akm::bpf {

std::string kernel_gaps(const std::string& sys) {
  std::string out;
  const std::string btf = sys + "/kernel/btf/vmlinux";
  if (::access(btf.c_str(), R_OK) != 0) out += " (the kernel shows no BTF: " + btf + ")";
  // "none [integrity] confidentiality": the mode in force is the one in brackets. Not every kernel has the
  // file.
  std::string mode;
  std::ifstream lockdown(sys + "/kernel/security/lockdown");
  while (lockdown >> mode) {
    if (mode == "[integrity]" || mode == "[confidentiality]")
      out += " (lockdown is in force: " + mode.substr(1, mode.size() - 2) + ")";
  }
  return out;
}

}  // namespace akm::bpf
