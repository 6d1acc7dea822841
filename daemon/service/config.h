#pragma once
// Configuration: one TOML file and the drop-ins of FILE.d/*.toml in the order of their names, a later one
// wins. What may stand there is a table (Schema), from which the documented example is made too. An unknown
// key, a wrong type and a value out of bounds are errors that name file and line; nothing is silently
// replaced by a default. Tables of an array ([[name]]) add up over all files. Beyond ASCII only lines of
// comment are written as they are; a text takes \uXXXX, on one line.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/base/result.h"

namespace akm::service {

using Value = std::variant<std::string, std::int64_t, bool, std::vector<std::string>>;
using Values = std::map<std::string, Value>;                // by the names of a schema
using Tables = std::map<std::string, std::vector<Values>>;  // of arrays, by the array's name

/// One key of a configuration file.
struct Setting {
  std::string name;  // "network.listen": table, dot, key; "consumers[].name": key of each [[consumers]]
  Value standard;    // what holds when it is not set; its alternative is the key's type
  std::string doc;   // sentences for the example file
  std::int64_t minimum = 0;  // bounds of an integer, both included
  std::int64_t maximum = 0;
  std::vector<std::string> choices;  // a text with choices is one of these
};
using Schema = std::vector<Setting>;

inline constexpr std::size_t kConfigFileBytes = 256 * 1024;
inline constexpr std::size_t kConfigTextBytes = 4096;  // PATH_MAX
inline constexpr std::size_t kConfigListItems = 64;
inline constexpr std::size_t kConfigDropIns = 128;
inline constexpr std::size_t kConfigTables = 64;  // of one array

class Config {
 public:
  /// Only defaults.
  explicit Config(const Schema& schema);
  /// Reads `path`, which must exist, then its drop-ins. config_invalid with "FILE:LINE: what"; io_failed.
  static Result<Config> load(const std::string& path, const Schema& schema);
  /// The same of a text that came from elsewhere; errors call it `name`. too_large.
  static Result<Config> parse(const std::string& text, const std::string& name, const Schema& schema);
  /// The same of values that were read elsewhere (a message of an NMM). config_invalid for a name that is not
  /// in the schema, another type, out of bounds, too many tables.
  static Result<Config> of(const Values& values, const Tables& tables, const std::string& origin,
                           const Schema& schema);

  // A name that is not in the schema, or of another type, is a mistake in our code and ends the process.
  [[nodiscard]] const std::string& text(std::string_view name) const;
  [[nodiscard]] std::int64_t integer(std::string_view name) const;
  [[nodiscard]] bool boolean(std::string_view name) const;
  [[nodiscard]] const std::vector<std::string>& list(std::string_view name) const;
  /// The tables of an array, each with the keys of its schema without "name[].".
  [[nodiscard]] const std::vector<Config>& tables(std::string_view name) const;
  /// What was set, without the defaults; of each table of an array all keys. of() makes the same of it.
  [[nodiscard]] Values set_values() const;
  [[nodiscard]] Tables set_tables() const;
  /// "FILE:LINE" where it was set, or "default": for errors found later (an address that does not parse).
  [[nodiscard]] std::string origin(std::string_view name) const;
  /// The error for a value that turned out wrong: config_invalid with origin, name and `what`.
  [[nodiscard]] Error invalid(std::string_view name, std::string_view what) const;

 private:
  struct Entry {
    Value value;
    std::string origin;
  };
  class Collector;
  [[nodiscard]] const Entry& entry(std::string_view name) const;

  std::map<std::string, Entry, std::less<>> entries_;
  std::map<std::string, std::vector<Config>, std::less<>> tables_;
};

/// What a file and its drop-ins set in their tables, "table.key", whatever it means: for who looks at the
/// configuration of a program without its schema. Arrays of tables are left out. Errors as Config::load().
Result<Values> values_in(const std::string& path);
/// A file that sets just these: parse() of it makes the same. Dotted keys, one a line.
std::string text_of(const Values& values, const Tables& tables);
/// A documented file with every key at its default, commented out.
std::string example_config(std::string_view title, const Schema& schema);

}  // namespace akm::service
