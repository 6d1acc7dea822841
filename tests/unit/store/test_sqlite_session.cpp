#include "daemon/store/sqlite_session.h"

#include <criterion/criterion.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/store/database_suite.h"

using namespace akm;
using namespace akm::store;
using namespace akm::test;

namespace {

std::unique_ptr<SqlSession> open(const std::string& path) {
  auto session = open_sqlite(path);
  cr_assert(session.has_value(), "%s", session ? "" : session.error().message().c_str());
  return std::move(*session);
}

std::string pragma(SqlSession& session, const std::string& name) {
  const auto rows = session.run("PRAGMA " + name);
  const SqlValue& value = rows->at(0).at(0);
  return sql_text(value).empty() ? std::to_string(sql_integer(value)) : std::string(sql_text(value));
}

mode_t mode_of(const std::string& path) {
  struct stat found{};
  cr_assert_eq(::stat(path.c_str(), &found), 0);
  return found.st_mode & 07777;
}

}  // namespace

Test(sqlite_session, is_durable_private_and_strict) {
  const TemporaryFolder folder;
  const std::string path = folder.file("root.db");
  const auto session = open(path);
  cr_assert_eq(pragma(*session, "journal_mode"), "wal");
  cr_assert_eq(pragma(*session, "synchronous"), "2");
  cr_assert_eq(pragma(*session, "foreign_keys"), "1");
  cr_assert_eq(pragma(*session, "busy_timeout"), "2000");
  cr_assert(session->run("CREATE TABLE t (a INTEGER)").has_value());
  for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
    cr_assert_eq(mode_of(file.path()), 0600, "%s", file.path().c_str());
  }
  cr_assert_eq(session->description(), "sqlite " + path);
}

Test(sqlite_session, a_loose_file_is_tightened) {
  const TemporaryFolder folder;
  const std::string path = folder.write("root.db", "");
  cr_assert_eq(::chmod(path.c_str(), 0666), 0);
  open(path);
  cr_assert_eq(mode_of(path), 0600);
}

Test(sqlite_session, what_is_no_database_is_left_as_it_is) {
  const TemporaryFolder folder;
  const std::string text(8192, 'x');
  const std::string path = folder.write("root.db", text);
  const auto opened = open_sqlite(path);
  cr_assert(opened.error().code == Errc::state_corrupt, "%s", opened.error().message().c_str());
  std::ifstream file(path, std::ios::binary);
  cr_assert_eq(std::string(std::istreambuf_iterator<char>(file), {}), text);
}

Test(sqlite_session, a_damaged_page_is_found_at_the_start) {
  const TemporaryFolder folder;
  const std::string path = folder.file("root.db");
  {
    const auto session = open(path);
    cr_assert(session->run("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)").has_value());
    cr_assert(session->run("BEGIN").has_value());
    for (int i = 0; i < 2000; ++i) {
      cr_assert(session->run("INSERT INTO t (b) VALUES ($1)", {std::string(40, 'b')}).has_value());
    }
    cr_assert(session->run("COMMIT").has_value());
  }
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(3 * 4096);
    file << std::string(4096, '\xff');
  }
  const auto opened = open_sqlite(path);
  cr_assert(!opened);
  cr_assert(opened.error().code == Errc::state_corrupt, "%s", opened.error().message().c_str());
}

Test(sqlite_session, links_pipes_and_relative_paths_are_refused) {
  const TemporaryFolder folder;
  cr_assert_eq(::symlink(folder.write("other.db", "").c_str(), folder.file("root.db").c_str()), 0);
  cr_assert(!open_sqlite(folder.file("root.db")));
  cr_assert_eq(::mkfifo(folder.file("pipe").c_str(), 0600), 0);
  cr_assert(!open_sqlite(folder.file("pipe")));
  cr_assert(open_sqlite("root.db").error().code == Errc::invalid_argument);
  cr_assert(!open_sqlite(folder.file("nowhere/root.db")));
}

Test(sqlite_session, a_full_disk_is_said_and_changes_nothing) {
  const TemporaryFolder folder;
  if (::mount("akm-test", folder.path().c_str(), "tmpfs", 0, "size=256k") != 0)
    cr_skip_test("mounting needs root");
  {
    const auto session = open(folder.file("root.db"));
    cr_assert(session->run("CREATE TABLE t (a BLOB)").has_value());
    const Status full = session->write([&]() -> Status {
      AKM_TRY(session->run("INSERT INTO t (a) VALUES ($1)", {SqlBytes(std::size_t{1} << 20U, 0x55)}));
      return {};
    });
    cr_assert(!full);
    cr_assert(full.error().code == Errc::disk_full, "%s", full.error().message().c_str());
    const auto rows = session->run("SELECT count(*) FROM t");
    cr_assert_eq(sql_integer(rows->at(0).at(0)), 0);
  }
  cr_assert_eq(::umount2(folder.path().c_str(), MNT_DETACH), 0);
}

Test(sqlite_session, a_read_only_disk_is_said) {
  const TemporaryFolder folder;
  if (::mount("akm-test", folder.path().c_str(), "tmpfs", 0, "size=1m") != 0)
    cr_skip_test("mounting needs root");
  open(folder.file("root.db"));
  cr_assert_eq(::mount(nullptr, folder.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  const auto opened = open_sqlite(folder.file("root.db"));
  cr_assert_eq(::umount2(folder.path().c_str(), MNT_DETACH), 0);
  cr_assert(!opened);
  cr_assert(opened.error().code == Errc::read_only, "%s", opened.error().message().c_str());
}

Test(sqlite_session, values_come_back_as_they_were) {
  const TemporaryFolder folder;
  const auto session = open(folder.file("root.db"));
  cr_assert(session->run("CREATE TABLE t (a INTEGER, b TEXT, c BLOB, d BLOB) STRICT").has_value());
  cr_assert(session
                ->run("INSERT INTO t VALUES ($1, $2, $3, $4)",
                      {std::int64_t{-5}, std::string("\xc3\xb6"), SqlBytes{0, 1}, SqlBytes{}})
                .has_value());
  const auto rows = session->run("SELECT a, b, c, d, NULL FROM t");
  const SqlRow expected{std::int64_t{-5}, std::string("\xc3\xb6"), SqlBytes{0, 1}, SqlBytes{},
                        std::monostate{}};
  cr_assert(rows->at(0) == expected);
  cr_assert(session->run("SELECT a FROM t", {std::int64_t{1}}).error().code == Errc::internal);
}
