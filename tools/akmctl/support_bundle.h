#pragma once
// akmctl support-bundle: what somebody needs to see who is asked for help, and nothing that is secret. Each
// thing is taken up by name: what nobody has named is not in it.
#include <string>
#include <vector>

#include "daemon/base/atomic_file.h"
#include "daemon/service/config.h"
#include "tools/akmctl/machine.h"

namespace akm::ctl {

struct SupportBundle {
  std::vector<NamedFile> files;     // README.txt is the last
  std::vector<std::string> absent;  // "nmm.json: why"
};

/// `akmctl`: this program with the options that lead to the bus. Adds to what `bundle` has already.
void collect(const Machine& machine, const std::vector<std::string>& akmctl, SupportBundle& bundle);
/// The settings that may be shown, as a file; the others by their names.
std::string shown_settings(const service::Values& values);
NamedFile text_file(std::string name, const std::string& text);
/// A gzip'ed tar with all of them in one folder. already_exists, not_found (tar), storage_failed.
Status write_archive(const Machine& machine, const SupportBundle& bundle, const std::string& path);

}  // namespace akm::ctl
