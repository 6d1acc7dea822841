#include "daemon/base/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>

#include "daemon/base/log_setting.h"
#include "daemon/base/unique_fd.h"

using namespace akm;

namespace {

class Folder {
 public:
  Folder() { cr_assert_not_null(mkdtemp(path_.data())); }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_ = "/tmp/akm-log-XXXXXX";
};

// A journal: the socket, and a reader of the native protocol.
class Journal {
 public:
  explicit Journal(const std::string& path)
      : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    cr_assert_eq(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  // Empty when there is none.
  std::map<std::string, std::string> next() {
    std::string record(65536, '\0');
    const ssize_t size = recv(fd_.get(), record.data(), record.size(), 0);
    std::map<std::string, std::string> fields;
    if (size < 0) return fields;
    record.resize(static_cast<std::size_t>(size));
    for (std::size_t at = 0; at < record.size();) {
      const std::size_t end = record.find('\n', at);
      const std::string line = record.substr(at, end - at);
      const std::size_t equals = line.find('=');
      at = end + 1;
      if (equals != std::string::npos) {
        fields[line.substr(0, equals)] = line.substr(equals + 1);
        continue;
      }
      std::uint64_t length = 0;
      for (std::size_t i = 0; i < 8; ++i)
        length |= std::uint64_t{static_cast<unsigned char>(record[at + i])} << (8 * i);
      fields[line] = record.substr(at + 8, length);
      cr_assert_eq(record[at + 8 + length], '\n');
      at += 9 + length;
    }
    return fields;
  }

 private:
  UniqueFd fd_;
};

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void open_journal(const std::string& path) {
  log::Options options;
  options.target = log::Options::Target::journal;
  options.journal_socket = path;
  options.identifier = "akmd-test";
  cr_assert(log::open(options).has_value());
}

void open_file(const std::string& path) {
  log::Options options;
  options.target = log::Options::Target::text;
  options.file = path;
  cr_assert(log::open(options).has_value());
}

}  // namespace

Test(log, journal_records_have_fields) {
  const Folder folder;
  Journal journal(folder / "socket");
  open_journal(folder / "socket");
  log::write(log::Level::warning, "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c01", "Text",
             {{"AKM_ASR", "1"}, {"akm_odd-name", "x"}});
  auto record = journal.next();
  cr_assert_eq(record["MESSAGE"], "Text");
  cr_assert_eq(record["PRIORITY"], "4");
  cr_assert_eq(record["SYSLOG_IDENTIFIER"], "akmd-test");
  cr_assert_eq(record["MESSAGE_ID"], "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c01");
  cr_assert_eq(record["AKM_ASR"], "1");
  cr_assert_eq(record["AKM_ODD_NAME"], "x");
}

// A value cannot forge a field or a record.
Test(log, hostile_values_stay_values) {
  const Folder folder;
  Journal journal(folder / "socket");
  open_journal(folder / "socket");
  log::info("a\nPRIORITY=0", {{"AKM_X", "1\nMESSAGE=forged\x01\x7f\x1b[31m"}, {"_UID", "0"}, {"", "empty"}});
  auto record = journal.next();
  cr_assert_eq(record["PRIORITY"], "6");
  cr_assert_eq(record["MESSAGE"], "a\nPRIORITY=0");
  cr_assert_eq(record["AKM_X"], "1\nMESSAGE=forged\\x01\\x7f\\x1b[31m");
  cr_assert_eq(record.count("_UID"), 0);
  cr_assert_eq(record["F_UID"], "0");
  open_file(folder / "log");
  log::info("a\nERROR forged", {{"AKM_X", "1\nERROR forged \"x"}});
  const std::string text = content(folder / "log");
  cr_assert_eq(std::count(text.begin(), text.end(), '\n'), 1);
  cr_assert(text.starts_with("INFO a\\nERROR forged AKM_X=\"1\\nERROR forged \\\"x\""));
}

Test(log, long_values_are_cut_between_characters) {
  const Folder folder;
  Journal journal(folder / "socket");
  open_journal(folder / "socket");
  std::string umlauts = "x";
  for (int i = 0; i < 4000; ++i) umlauts += "ä";
  log::info("m", {{"AKM_X", umlauts}});
  const std::string got = journal.next()["AKM_X"];
  cr_assert_leq(got.size(), 2048);
  cr_assert_geq(got.size(), 2047);
  cr_assert_eq(got.size() % 2, 1);  // one x, and whole characters of two bytes
}

Test(log, a_slow_journal_does_not_block_and_the_drops_are_said_later) {
  const Folder folder;
  Journal journal(folder / "socket");
  open_journal(folder / "socket");
  for (int i = 0; i < 10'000; ++i) log::info("flood");
  int floods = 0;
  while (!journal.next().empty()) ++floods;
  cr_assert_lt(floods, 10'000);
  log::info("after");
  auto notice = journal.next();
  cr_assert_eq(notice["AKM_DROPPED"], std::to_string(10'000 - floods));
  cr_assert_eq(notice["PRIORITY"], "4");
  cr_assert_eq(journal.next()["MESSAGE"], "after");
}

Test(log, a_new_journal_at_the_same_place_is_found) {
  const Folder folder;
  {
    Journal first(folder / "socket");
    open_journal(folder / "socket");
  }
  log::info("lost");
  (void)unlink((folder / "socket").c_str());
  Journal second(folder / "socket");
  log::info("found");
  cr_assert_eq(second.next()["AKM_DROPPED"], "1");
  cr_assert_eq(second.next()["MESSAGE"], "found");
}

Test(log, lines_go_to_the_file_and_are_added) {
  const Folder folder;
  for (int i = 0; i < 2; ++i) {
    open_file(folder / "log");
    log::write(log::Level::error, "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c02", "What failed",
               {{"AKM_ASR", "1"}, {"AKM_E", ""}});
  }
  std::istringstream lines(content(folder / "log"));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    cr_assert(line.starts_with(
        "ERROR What failed AKM_ASR=1 AKM_E=\"\" MESSAGE_ID=5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c02 TIME=2"));
    cr_assert(line.ends_with("Z"));
  }
  cr_assert_eq(count, 2);
  struct stat status{};
  cr_assert_eq(stat((folder / "log").c_str(), &status), 0);
  cr_assert_eq(status.st_mode & 0777, 0600);
}

Test(log, below_the_level_nothing_is_written) {
  const Folder folder;
  log::Options options;
  options.target = log::Options::Target::text;
  options.file = folder / "log";
  options.level = log::Level::warning;
  cr_assert(log::open(options).has_value());
  log::info("no");
  log::warning("yes");
  const std::string text = content(folder / "log");
  cr_assert_eq(text.find("no"), std::string::npos);
  cr_assert_neq(text.find("WARNING yes"), std::string::npos);
}

Test(log, automatic_takes_text_where_there_is_no_journal) {
  const Folder folder;
  log::Options options;
  options.journal_socket = folder / "none";
  options.file = folder / "log";
  cr_assert(log::open(options).has_value());
  log::info("here");
  cr_assert(content(folder / "log").starts_with("INFO here"));
}

Test(log, what_cannot_be_opened_is_an_error) {
  const Folder folder;
  log::Options options;
  options.target = log::Options::Target::journal;
  options.journal_socket = folder / "none";
  cr_assert(log::open(options).error().code == Errc::io_failed);
  options.journal_socket = std::string(200, 'x');
  cr_assert(log::open(options).error().code == Errc::config_invalid);
  options.target = log::Options::Target::text;
  options.file = folder / "no/such/folder";
  cr_assert(log::open(options).error().code == Errc::io_failed);
}

// Standard error is a pipe that nobody reads: the daemon goes on.
Test(log, a_full_pipe_does_not_block) {
  std::array<int, 2> ends{};
  cr_assert_eq(pipe2(ends.data(), O_CLOEXEC), 0);
  const int saved = dup(STDERR_FILENO);
  cr_assert_geq(dup2(ends[1], STDERR_FILENO), 0);
  log::Options options;
  options.target = log::Options::Target::text;
  cr_assert(log::open(options).has_value());
  for (int i = 0; i < 10'000; ++i) log::info(std::string(1000, 'x'));
  (void)dup2(saved, STDERR_FILENO);
  std::string line(PIPE_BUF, '\0');
  cr_assert_gt(read(ends[0], line.data(), line.size()), 1000);
  for (const int fd : {ends[0], ends[1], saved}) (void)close(fd);
}

Test(log, the_level_changes_while_it_is_open) {
  const Folder folder;
  open_file(folder / "log");
  cr_assert(log::wants(log::Level::info) && !log::wants(log::Level::debug));
  log::set_level(log::Level::debug);
  log::write(log::Level::debug, {}, "told");
  log::set_level(log::Level::error);
  log::warning("not told");
  cr_assert_eq(log::options().level, log::Level::error);
  cr_assert_eq(log::options().file, folder / "log");
  const std::string text = content(folder / "log");
  cr_assert(text.contains("told") && !text.contains("not told"), "%s", text.c_str());
}

Test(log, it_says_where_it_goes) {
  const Folder folder;
  const Journal journal(folder / "socket");
  open_journal(folder / "socket");
  cr_assert(log::in_journal());
  open_file(folder / "log");
  cr_assert_not(log::in_journal());
}
