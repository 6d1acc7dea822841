#include "bpf/loader/folder_watch.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

using namespace akm;
using namespace akm::bpf;

namespace {

std::string make_folder() {
  char name[] = "/tmp/akm-folder-watch-XXXXXX";
  cr_assert_not_null(::mkdtemp(name));
  return name;
}

void remove_folder(const std::string& path) {
  (void)std::system(("rm -rf " + path).c_str());
}

void by_child(const std::string& path) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(::open(path.c_str(), O_WRONLY | O_CREAT, 0600) >= 0 ? 0 : 1);
  int status = 0;
  (void)::waitpid(pid, &status, 0);
  cr_assert_eq(status, 0);
}

}  // namespace

Test(folder_watch, tells_what_others_do_and_not_what_we_do) {
  const std::string path = make_folder();
  auto watch = FolderWatch::open({{path, Watch::config, 0, 0}});
  if (!watch) {
    remove_folder(path);
    cr_skip_test("%s", watch.error().message().c_str());
  }
  std::vector<ProbeRecord> records;
  const auto handler = [&](const ProbeRecord& record) { records.push_back(record); };
  cr_assert_geq(::open((path + "/ours").c_str(), O_WRONLY | O_CREAT, 0600), 0);
  cr_assert_eq(watch->drain(10, handler).records, 0u);
  by_child(path + "/theirs");
  const auto drained = watch->drain(10, handler);
  cr_assert_geq(drained.records, 1u);
  cr_assert_not(drained.more);
  cr_assert_eq(records[0].operation, "create");
  cr_assert_eq(records[0].watch, Watch::config);
  cr_assert_eq(records[0].path, path + "/theirs");
  cr_assert_eq(watch->take_overflows(), 0u);
  remove_folder(path);
}

Test(folder_watch, the_budget_ends_a_drain_and_loses_nothing) {
  const std::string path = make_folder();
  auto watch = FolderWatch::open({{path, Watch::state, 0, 0}});
  if (!watch) {
    remove_folder(path);
    cr_skip_test("%s", watch.error().message().c_str());
  }
  for (int i = 0; i < 20; ++i) by_child(path + "/file" + std::to_string(i));
  std::size_t created = 0;
  const auto handler = [&](const ProbeRecord& record) { created += record.operation == "create" ? 1U : 0U; };
  const auto first = watch->drain(3, handler);
  cr_assert_eq(first.records, 3u);
  cr_assert(first.more);
  while (watch->drain(3, handler).more) {
  }
  cr_assert_eq(created, 20u);
  remove_folder(path);
}

Test(folder_watch, a_folder_that_is_not_there_is_an_error) {
  const auto watch = FolderWatch::open({{"/nonexistent-akm", Watch::state, 0, 0}});
  cr_assert_not(watch.has_value());
  cr_assert_not(watch.error().detail.empty());
}
