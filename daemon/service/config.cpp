#include "daemon/service/config.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <ranges>

#include "daemon/base/unique_fd.h"

// The library in its form that returns errors instead of throwing; only this file sees it. Version 3.3
// asserts what a file can break ("[=]"), and with NDEBUG has the compiler assume it; the code behind that
// checks again.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ASSERT(expression) static_cast<void>(0)
#pragma push_macro("NDEBUG")
#undef NDEBUG
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

namespace akm::service {
namespace {

[[noreturn]] void mistake(std::string_view name, std::string_view what) {
  fmt::print(stderr, "configuration key {}: {}\n", name, what);
  std::abort();
}

std::unexpected<Error> invalid_at(const std::string& where, const std::string& what) {
  return fail(Errc::config_invalid, where + ": " + what);
}

Result<std::string> read_text(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno(Errc::io_failed, path);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(Errc::io_failed, path);
  if (!S_ISREG(info.st_mode)) return fail(Errc::config_invalid, path + ": not a regular file");
  std::string text;
  std::array<char, 4096> chunk{};
  while (text.size() <= kConfigFileBytes) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(Errc::io_failed, path);
    if (got == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return fail(Errc::too_large, path);
}

/// Names of FILE.d/*.toml, sorted; none where there is no such folder.
Result<std::vector<std::string>> drop_ins(const std::string& path) {
  const std::string folder = path + ".d";
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(folder.c_str()), ::closedir);
  std::vector<std::string> out;
  if (!dir) {
    if (errno == ENOENT) return out;
    return fail_errno(Errc::io_failed, folder);
  }
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name.starts_with('.') || !name.ends_with(".toml")) continue;
    if (out.size() == kConfigDropIns) return fail(Errc::limit_exceeded, folder);
    out.push_back(folder + "/" + std::string(name));
  }
  std::ranges::sort(out);
  return out;
}

std::string type_text(const Setting& setting) {
  if (std::holds_alternative<std::int64_t>(setting.standard)) {
    return fmt::format("an integer from {} to {}", setting.minimum, setting.maximum);
  }
  if (std::holds_alternative<bool>(setting.standard)) return "true or false";
  if (std::holds_alternative<std::vector<std::string>>(setting.standard)) {
    return fmt::format("a list of at most {} texts", kConfigListItems);
  }
  if (setting.choices.empty()) return fmt::format("a text of at most {} bytes", kConfigTextBytes);
  std::string out = "one of";
  for (const std::string& choice : setting.choices) out += fmt::format(" \"{}\"", choice);
  return out;
}

/// Texts go into paths, names and C strings.
bool good_text(const std::string& text) {
  return text.size() <= kConfigTextBytes &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// Whether a value is of the setting's type and within its bounds.
bool fits(const Value& value, const Setting& setting) {
  if (value.index() != setting.standard.index()) return false;
  if (const auto* number = std::get_if<std::int64_t>(&value))
    return *number >= setting.minimum && *number <= setting.maximum;
  if (const auto* text = std::get_if<std::string>(&value)) {
    const auto& choices = setting.choices;
    return good_text(*text) && (choices.empty() || std::ranges::find(choices, *text) != choices.end());
  }
  const auto* items = std::get_if<std::vector<std::string>>(&value);
  return items == nullptr || (items->size() <= kConfigListItems && std::ranges::all_of(*items, good_text));
}

/// A value as it stands in the file; none for what no setting has.
std::optional<Value> value_of(const toml::node& node) {
  if (const auto* number = node.as_integer()) return Value(number->get());
  if (const auto* flag = node.as_boolean()) return Value(flag->get());
  if (const auto* text = node.as_string()) return Value(text->get());
  const auto* array = node.as_array();
  if (array == nullptr || array->size() > kConfigListItems) return std::nullopt;
  std::vector<std::string> items;
  for (const toml::node& item : *array) {
    const auto* text = item.as_string();
    if (text == nullptr) return std::nullopt;
    items.push_back(text->get());
  }
  return Value(std::move(items));
}

/// The value in the type of the setting, or none when it has another type or is out of bounds.
std::optional<Value> convert(const toml::node& node, const Setting& setting) {
  auto value = value_of(node);
  return value && fits(*value, setting) ? std::move(value) : std::nullopt;
}

constexpr std::string_view kArray = "[].";
constexpr std::string_view kDefault = "default";  // origin of what no file sets

bool has_group(const Schema& schema, const std::string& prefix) {
  return std::ranges::any_of(schema, [&](const Setting& known) { return known.name.starts_with(prefix); });
}

/// What stands in each table of an array, with the names that it has there.
Schema schema_of_tables(const Schema& schema, const std::string& prefix) {
  Schema out;
  for (const Setting& setting : schema) {
    if (!setting.name.starts_with(prefix)) continue;
    out.push_back(setting);
    out.back().name.erase(0, prefix.size());
  }
  return out;
}

/// toml++ 3.3 has undefined behaviour when it asks whether some letters beyond ASCII are a blank, which it
/// does outside of strings and comments. Telling where strings end is its job; so only whole lines of comment
/// may hold such letters, and several lines are never one string.
Status check_letters(const std::string& text, const std::string& path) {
  std::size_t number = 0;
  for (const auto part : std::views::split(text, '\n')) {
    ++number;
    const std::string_view line(part.begin(), part.end());
    if (line.contains("\"\"\"") || line.contains("'''"))
      return invalid_at(fmt::format("{}:{}", path, number), "texts of several lines are not taken");
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string_view::npos || line[first] == '#') continue;
    if (std::ranges::any_of(line, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
      return invalid_at(fmt::format("{}:{}", path, number), "not ASCII: in a text write \\uXXXX");
  }
  return {};
}

std::string place_in(const std::string& path, const toml::source_region& source) {
  return fmt::format("{}:{}", path, source.begin.line);
}

/// The library repeats what it stumbles over in quotation marks, and that may be a PIN that has none.
std::string without_value(std::string_view sentence) {
  constexpr std::size_t kOneLetter = 2;  // an escape
  const std::size_t first = sentence.find('\'');
  const std::size_t last = sentence.rfind('\'');
  if (first == std::string_view::npos || last - first <= kOneLetter + 1) return std::string(sentence);
  return fmt::format("{}'...'{}", sentence.substr(0, first), sentence.substr(last + 1));
}

Result<toml::table> parse_text(const std::string& text, const std::string& path) {
  AKM_TRY(check_letters(text, path));
  toml::parse_result parsed = toml::parse(std::string_view(text), path);
  if (parsed) return std::move(parsed).table();
  const toml::parse_error& error = parsed.error();
  return invalid_at(place_in(path, error.source()), without_value(error.description()));
}

/// The file, then its drop-ins.
Result<std::vector<std::string>> files_of(const std::string& path) {
  AKM_ASSIGN(std::vector<std::string> out, drop_ins(path));
  out.insert(out.begin(), path);
  return out;
}

/// A character beyond ASCII, or one that no line may hold, by its number; `text` is UTF-8.
std::string escaped(const std::string& text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const std::size_t more = first < 0xc0 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
  std::uint32_t number = more == 0 ? first : first & (0x3fU >> more);
  for (std::size_t left = more; left > 0 && at + 1 < text.size(); --left)
    number = number << 6 | (static_cast<unsigned char>(text[++at]) & 0x3fU);
  return number > 0xffff ? fmt::format("\\U{:08X}", number) : fmt::format("\\u{:04X}", number);
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c < 0x20 || c >= 0x7f) {
      out += escaped(text, at);
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += text[at];
  }
  return out + "\"";
}

std::string toml_text(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  std::string out = "[";
  for (const std::string& item : std::get<std::vector<std::string>>(value)) {
    out += (out.size() > 1 ? ", " : "") + quoted(item);
  }
  return out + "]";
}

/// A key as a comment at its default, below what it means.
std::string example_entry(const Setting& setting, std::string_view key) {
  constexpr std::size_t kColumns = 96;
  std::string out;
  std::string line = "#";
  const std::string doc = fmt::format("{} ({})", setting.doc, type_text(setting));
  for (const auto word : std::views::split(doc, ' ')) {
    const std::string_view text(word.begin(), word.end());
    if (line.size() + 1 + text.size() > kColumns) {
      out += line + "\n";
      line = "#";
    }
    line += " " + std::string(text);
  }
  return out + line + "\n" + fmt::format("#{} = {}\n", key, toml_text(setting.standard));
}

}  // namespace

/// Takes one parsed file, checked against the schema, into a configuration.
class Config::Collector {
 public:
  Collector(const std::string& path, Config& to) : path_(path), to_(to) {}

  Status file(const Schema& schema) {
    AKM_ASSIGN(const std::string text, read_text(path_));
    return this->text(text, schema);
  }

  Status text(const std::string& text, const Schema& schema) {
    AKM_ASSIGN(const toml::table parsed, parse_text(text, path_));
    return table(parsed, "", schema);
  }

  Status values(const Values& values, const Schema& schema) {
    for (const auto& [name, value] : values) {
      const auto setting = std::ranges::find(schema, name, &Setting::name);
      if (setting == schema.end() || name.contains('[')) return invalid_at(path_, "unknown key " + name);
      if (!fits(value, *setting))
        return invalid_at(path_, fmt::format("{} must be {}", name, type_text(*setting)));
      to_.entries_.insert_or_assign(name, Entry{value, path_});
    }
    return {};
  }

  Status tables(const std::string& name, const std::vector<Values>& tables, const Schema& schema) {
    if (!has_group(schema, name + std::string(kArray))) return invalid_at(path_, "unknown key " + name);
    if (tables.size() > kConfigTables)
      return invalid_at(path_, fmt::format("more than {} tables {}", kConfigTables, name));
    const Schema of_each = schema_of_tables(schema, name + std::string(kArray));
    for (const Values& one : tables) {
      Config each(of_each);
      for (auto& [key, entry] : each.entries_) entry.origin = path_;
      AKM_TRY(Collector(path_, each).values(one, of_each));
      to_.tables_[name].push_back(std::move(each));
    }
    return {};
  }

 private:
  [[nodiscard]] std::string place(const toml::source_region& source) const { return place_in(path_, source); }

  Status table(const toml::table& table, const std::string& prefix, const Schema& schema) {
    for (const auto& [key, node] : table) {
      const std::string name = prefix + std::string(key.str());
      const std::string where = place(key.source());
      // The mark of an array is of the schema alone.
      if (key.str().contains('[')) return invalid_at(where, "unknown key " + name);
      const auto setting = std::ranges::find(schema, name, &Setting::name);
      if (setting != schema.end()) {
        auto value = convert(node, *setting);
        if (!value) return invalid_at(where, fmt::format("{} must be {}", name, type_text(*setting)));
        to_.entries_.insert_or_assign(name, Entry{std::move(*value), where});
      } else if (has_group(schema, name + std::string(kArray))) {
        AKM_TRY(array(node, name, where, schema));
      } else {
        if (!has_group(schema, name + ".")) return invalid_at(where, "unknown key " + name);
        if (!node.is_table()) return invalid_at(where, name + " must be a table");
        AKM_TRY(this->table(*node.as_table(), name + ".", schema));
      }
    }
    return {};
  }

  Status array(const toml::node& node, const std::string& name, const std::string& where,
               const Schema& schema) {
    if (!node.is_array_of_tables()) return invalid_at(where, name + " must be tables: [[" + name + "]]");
    const Schema of_each = schema_of_tables(schema, name + std::string(kArray));
    std::vector<Config>& tables = to_.tables_[name];
    for (const toml::node& one : *node.as_array()) {
      if (tables.size() == kConfigTables)
        return invalid_at(where, fmt::format("more than {} tables {}", kConfigTables, name));
      Config each(of_each);
      for (auto& [key, entry] : each.entries_) entry.origin = place(one.source());
      AKM_TRY(Collector(path_, each).table(*one.as_table(), "", of_each));
      tables.push_back(std::move(each));
    }
    return {};
  }

  const std::string& path_;
  Config& to_;
};

Config::Config(const Schema& schema) {
  for (const Setting& setting : schema) {
    if (const std::size_t array = setting.name.find(kArray); array != std::string::npos) {
      tables_.try_emplace(setting.name.substr(0, array));
      continue;
    }
    if (!entries_.emplace(setting.name, Entry{setting.standard, std::string(kDefault)}).second)
      mistake(setting.name, "twice");
  }
}

Result<Config> Config::load(const std::string& path, const Schema& schema) {
  Config config(schema);
  AKM_ASSIGN(const std::vector<std::string> files, files_of(path));
  for (const std::string& file : files) AKM_TRY(Collector(file, config).file(schema));
  return config;
}

Result<Config> Config::parse(const std::string& text, const std::string& name, const Schema& schema) {
  if (text.size() > kConfigFileBytes) return fail(Errc::too_large, name);
  Config config(schema);
  AKM_TRY(Collector(name, config).text(text, schema));
  return config;
}

Result<Config> Config::of(const Values& values, const Tables& tables, const std::string& origin,
                          const Schema& schema) {
  Config config(schema);
  Collector collector(origin, config);
  AKM_TRY(collector.values(values, schema));
  for (const auto& [name, several] : tables) AKM_TRY(collector.tables(name, several, schema));
  return config;
}

Values Config::set_values() const {
  Values out;
  for (const auto& [name, entry] : entries_) {
    if (entry.origin != kDefault) out.emplace(name, entry.value);
  }
  return out;
}

Tables Config::set_tables() const {
  Tables out;
  for (const auto& [name, several] : tables_) {
    for (const Config& one : several) out[name].push_back(one.set_values());
  }
  return out;
}

const Config::Entry& Config::entry(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) mistake(name, "not in the schema");
  return found->second;
}

const std::string& Config::text(std::string_view name) const {
  const auto* value = std::get_if<std::string>(&entry(name).value);
  if (value == nullptr) mistake(name, "is not a text");
  return *value;
}

std::int64_t Config::integer(std::string_view name) const {
  const auto* value = std::get_if<std::int64_t>(&entry(name).value);
  if (value == nullptr) mistake(name, "is not an integer");
  return *value;
}

bool Config::boolean(std::string_view name) const {
  const auto* value = std::get_if<bool>(&entry(name).value);
  if (value == nullptr) mistake(name, "is not a boolean");
  return *value;
}

const std::vector<std::string>& Config::list(std::string_view name) const {
  const auto* value = std::get_if<std::vector<std::string>>(&entry(name).value);
  if (value == nullptr) mistake(name, "is not a list");
  return *value;
}

const std::vector<Config>& Config::tables(std::string_view name) const {
  const auto found = tables_.find(name);
  if (found == tables_.end()) mistake(name, "is not an array of tables");
  return found->second;
}

std::string Config::origin(std::string_view name) const {
  return entry(name).origin;
}

Error Config::invalid(std::string_view name, std::string_view what) const {
  return Error{Errc::config_invalid, fmt::format("{}: {}: {}", origin(name), name, what)};
}

Result<Values> values_in(const std::string& path) {
  Values out;
  AKM_ASSIGN(const std::vector<std::string> files, files_of(path));
  for (const std::string& file : files) {
    AKM_ASSIGN(const std::string text, read_text(file));
    AKM_ASSIGN(const toml::table parsed, parse_text(text, file));
    for (const auto& [name, node] : parsed) {
      if (!node.is_table()) continue;
      for (const auto& [key, each] : *node.as_table()) {
        if (auto value = value_of(each))
          out.insert_or_assign(fmt::format("{}.{}", name.str(), key.str()), std::move(*value));
      }
    }
  }
  return out;
}

std::string text_of(const Values& values, const Tables& tables) {
  std::string out;
  for (const auto& [name, value] : values) out += fmt::format("{} = {}\n", name, toml_text(value));
  for (const auto& [name, rows] : tables) {
    for (const Values& row : rows) {
      out += fmt::format("\n[[{}]]\n", name);
      for (const auto& [key, value] : row) out += fmt::format("{} = {}\n", key, toml_text(value));
    }
  }
  return out;
}

std::string example_config(std::string_view title, const Schema& schema) {
  // In the order of their first keys. A schema may come back to a table, TOML takes each just once.
  std::vector<std::pair<std::string, std::string>> tables;
  for (const Setting& setting : schema) {
    const std::size_t dot = setting.name.rfind('.');
    const std::string group = dot == std::string::npos ? "" : setting.name.substr(0, dot);
    // Tables of an array only exist where somebody writes them.
    const std::string head =
        group.ends_with("[]") ? "#[[" + group.substr(0, group.size() - 2) + "]]\n" : "[" + group + "]\n";
    auto table = std::ranges::find(tables, group, &std::pair<std::string, std::string>::first);
    if (table == tables.end()) table = tables.insert(table, {group, group.empty() ? "" : "\n" + head});
    table->second += example_entry(setting, setting.name.substr(dot == std::string::npos ? 0 : dot + 1));
  }
  std::string out = fmt::format(
      "# {}\n# Every key with its default. Drop-ins in FILE.d/*.toml are read after this file.\n", title);
  for (const auto& [name, text] : tables) out += text;
  return out;
}

}  // namespace akm::service
